"""Evaluates, with torch itself, what depends on neither inputs nor parameters.

Position ids, rotary tables and masks are a quarter of a typical transformer's nodes; evaluated
here they need no lowering. What depends on parameters stays: folding it would store weights twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

MAXIMUM_ELEMENTS = 1 << 24


@dataclass(frozen=True, slots=True)
class Folded:
    """What folding leaves.

    `results` holds tensors for folded nodes that others or the outputs read, `remaining` the names
    of the calls that are left, `needed` those of parameters and buffers that are still read.
    """

    results: Mapping[str, torch.Tensor]
    remaining: set[str]
    needed: set[str]


def fold_constants(
    live: list[torch.fx.Node], tensors: Mapping[str, tuple[str, str, torch.Tensor]]
) -> Folded:
    """Fold the live nodes of a graph, given the data of its parameters, buffers and constants."""
    known: dict[str, Any] = {
        name: tensor for name, (kind, _, tensor) in tensors.items() if kind != "PARAMETER"
    }
    calls = [node for node in live if node.op == "call_function"]
    for node in calls:
        if _is_foldable(node, known):
            known[node.name] = _evaluate(node, known)
    outside = {node.name for node in calls if node.name not in known}
    remaining = set(outside)
    read = {source.name for node in calls if node.name in outside for source in _sources(node)}
    read |= {node.name for node in live if node.op == "call_function" and _is_returned(node)}
    # from back to front: what only copies elements is left to run, or the constant would grow
    for node in reversed(calls):
        if node.name in read and node.name in known and (_grows(node) or _is_tuple(known, node)):
            remaining.add(node.name)
            read |= {source.name for source in _sources(node)}
    results = {
        node.name: known[node.name]
        for node in calls
        if node.name in read and node.name not in remaining
    }
    return Folded(results, remaining, {name for name in tensors if name in read} | _direct(live))


def _is_foldable(node: torch.fx.Node, known: Mapping[str, Any]) -> bool:
    import torch

    value = node.meta.get("val")
    parts: list[Any] = list(value) if isinstance(value, (list, tuple)) else [value]  # pyright: ignore
    sizes = [part.numel() for part in parts if isinstance(part, torch.Tensor)]
    return (
        (callable(node.target) and all(s.name in known for s in _sources(node)))
        and bool(sizes)
        and sum(sizes) <= MAXIMUM_ELEMENTS
    )


def _evaluate(node: torch.fx.Node, known: Mapping[str, Any]) -> Any:
    import torch

    def load(source: torch.fx.Node) -> Any:
        return known[source.name]

    tree_map: Any = torch.utils._pytree.tree_map  # pyright: ignore
    args, kwargs = torch.fx.map_arg((node.args, dict(node.kwargs)), load)  # pyright: ignore
    lacks_data = any(
        isinstance(known[s.name], torch.Tensor) and known[s.name].is_meta for s in _sources(node)
    )

    def moved(item: Any) -> Any:
        # what a model on the meta device creates has data until it meets what has none
        if isinstance(item, torch.device) and item.type == "meta" and not lacks_data:
            return torch.device("cpu")
        return item.to("meta") if isinstance(item, torch.Tensor) and lacks_data else item

    args, kwargs = tree_map(moved, (args, kwargs))  # pyright: ignore
    assert callable(node.target)
    with torch.no_grad():
        return node.target(*args, **kwargs)  # pyright: ignore


def _sources(node: torch.fx.Node) -> list[torch.fx.Node]:
    return list(node.all_input_nodes)


def _is_returned(node: torch.fx.Node) -> bool:
    return any(user.op == "output" for user in node.users)


def _direct(live: list[torch.fx.Node]) -> set[str]:
    """Placeholders that are returned as they are."""
    return {node.name for node in live if node.op == "placeholder" and _is_returned(node)}


def _grows(node: torch.fx.Node) -> bool:
    """Whether a call has more elements than all that it reads."""
    sources = [source.meta["val"] for source in _sources(node)]
    if not sources or isinstance(node.meta["val"], (list, tuple)):
        return False
    sizes = [s.numel() for s in sources if not isinstance(s, (list, tuple))]
    return str(node.target) == "aten.expand.default" and node.meta["val"].numel() > max(sizes)


def _is_tuple(known: Mapping[str, Any], node: torch.fx.Node) -> bool:
    return isinstance(known[node.name], (list, tuple))
