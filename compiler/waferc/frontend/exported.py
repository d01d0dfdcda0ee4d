"""Reads torch's exported program into `Captured`: signature, constants, nodes, structure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from waferc.frontend.captured import (
    Argument,
    Captured,
    CapturedConstant,
    CapturedInput,
    CapturedState,
    CaptureError,
    Node,
    Ref,
    Shared,
    TensorMeta,
)
from waferc.frontend.constants import fold_constants
from waferc.frontend.locations import find_location
from waferc.structure import Structure
from waferc_ir.diagnostics import Location, WaferError, collect

if TYPE_CHECKING:
    import torch

# Drops attention only where its argument asks for it, which the lowering refuses.
_MAYBE_RANDOM = "aten.scaled_dot_product_attention.default"

IsLibrary = Callable[[str], bool]


def read_exported(
    program: torch.export.ExportedProgram,
    name: str,
    is_library: IsLibrary,
    shared: Shared = Shared(),  # noqa: B008 (frozen)
) -> Captured:
    """Read a decomposed exported program; nodes that no output needs are left out.

    `shared` is what it has in common with other entries of its module.

    Raises:
        CaptureError: it mutates parameters or inputs, has dynamic shapes, or draws random numbers.
    """
    reader = _Reader(program, name, is_library, shared)
    return reader.read()


class _Reader:
    """One reading: what torch knows of a program, by node name."""

    def __init__(
        self,
        program: torch.export.ExportedProgram,
        name: str,
        is_library: IsLibrary,
        shared: Shared,
    ) -> None:
        self.program = program
        self.name = name
        self.is_library = is_library
        self.nodes = {node.name: node for node in program.graph.nodes}
        self.shared = shared
        self.taken: set[str] = set(shared.labels)

    def read(self) -> Captured:
        self._refuse_mutations()
        inputs = self._inputs()
        returned, outputs = self._outputs()
        changed = self._changed()
        live = self._live([*(name for _, name in outputs), *changed.values()])
        changed |= self._changed_elsewhere(changed, live)
        self._refuse_unreadable([self.nodes[name] for name in live])
        tensors = self._tensors({*live, *changed})
        states = tuple(self._state(name, tensors.pop(name), changed) for name in changed)
        folded = fold_constants([self.nodes[name] for name in live], tensors)
        constants = [
            *self._constants(tensors, folded.needed),
            *(
                self._constant(name, name, tensor, is_parameter=False)
                for name, tensor in folded.results.items()
            ),
        ]
        nodes = [self._node(self.nodes[name]) for name in live if name in folded.remaining]
        return Captured(
            name=self.name,
            inputs=tuple(item for item in inputs if isinstance(item, CapturedInput)),
            constants=tuple(constants),
            states=states,
            nodes=tuple(nodes),
            outputs=tuple((label, Ref(node)) for label, node in outputs),
            arguments=self._structure(self.program.call_spec.in_spec, iter(map(_leaf, inputs))),
            returns=returned,
        )

    def _refuse_mutations(self) -> None:
        problems: list[WaferError] = []
        for spec in self.program.graph_signature.output_specs:
            if spec.kind.name in ("PARAMETER_MUTATION", "USER_INPUT_MUTATION"):
                node = self.nodes.get(str(_argument_name(spec.arg)))
                what = "an input" if spec.kind.name == "USER_INPUT_MUTATION" else "the parameter"
                problems.append(
                    CaptureError(
                        f"the model writes to {what} {spec.target}",
                        self._place(node.name) if node is not None else None,
                        help="return the new value instead, or keep it in a buffer",
                    )
                )
        problem = collect(problems)
        if problem is not None:
            raise problem

    def _inputs(self) -> list[CapturedInput | Structure]:
        """User inputs in order: tensors, and constants that torch has specialised on."""
        inputs: list[CapturedInput | Structure] = []
        for spec in self.program.graph_signature.input_specs:
            if spec.kind.name != "USER_INPUT":
                continue
            node = self.nodes.get(_argument_name(spec.arg))
            meta = None if node is None else self._meta(node, node.meta.get("val"))
            if node is None or meta is None:
                inputs.append(Structure("constant", value=_argument_value(spec.arg)))
            else:
                inputs.append(CapturedInput(node.name, self._label(node.name), meta))
        return inputs

    def _outputs(self) -> tuple[Structure, list[tuple[str, str]]]:
        """The structure of the outputs, and (label, node name) of every tensor among them."""
        specs = self.program.graph_signature.output_specs
        arguments = [spec.arg for spec in specs if spec.kind.name == "USER_OUTPUT"]
        labels = iter(_output_labels(self.program.call_spec.out_spec))
        leaves: list[Structure] = []
        outputs: list[tuple[str, str]] = []
        for argument in arguments:
            wanted = next(labels)
            node = self.nodes.get(_argument_name(argument))
            if node is None:
                leaves.append(Structure("constant", value=_argument_value(argument)))
                continue
            label = self._label(wanted)
            leaves.append(Structure("tensor", label))
            outputs.append((label, node.name))
        return self._structure(self.program.call_spec.out_spec, iter(leaves)), outputs

    def _changed(self) -> dict[str, str]:
        """Nodes of buffers that the model changes, with the nodes of what they become."""
        targets = {
            str(spec.target): _argument_name(spec.arg)
            for spec in self.program.graph_signature.input_specs
            if spec.kind.name == "BUFFER"
        }
        return {
            targets[str(spec.target)]: _argument_name(spec.arg)
            for spec in self.program.graph_signature.output_specs
            if spec.kind.name == "BUFFER_MUTATION"
        }

    def _changed_elsewhere(self, changed: Mapping[str, str], live: Sequence[str]) -> dict[str, str]:
        """Nodes of buffers that other entries change and this one only reads."""
        return {
            name: name
            for spec in self.program.graph_signature.input_specs
            if spec.kind.name == "BUFFER" and str(spec.target) in self.shared.states
            if (name := _argument_name(spec.arg)) in live and name not in changed
        }

    def _state(
        self, node: str, given: tuple[str, str, torch.Tensor], changed: Mapping[str, str]
    ) -> CapturedState:
        _, target, tensor = given
        dtype, becomes = _dtype_name(tensor.dtype), Ref(changed[node])
        place = self._place(changed[node])
        label, shape = self._tensor_label(target), tuple(tensor.shape)
        return CapturedState(node, label, shape, _array(tensor), dtype, becomes, place)

    def _live(self, roots: list[str]) -> list[str]:
        """Names of nodes that outputs need, in program order."""
        live: set[str] = set()
        stack = list(roots)
        while stack:
            name = stack.pop()
            if name not in live:
                live.add(name)
                stack.extend(node.name for node in self.nodes[name].all_input_nodes)
        return [name for name in self.nodes if name in live]

    def _refuse_unreadable(self, nodes: list[torch.fx.Node]) -> None:
        problems: list[WaferError] = []
        for node in nodes:
            if _draws_random_numbers(node.target):
                problems.append(
                    CaptureError(
                        f"the model draws random numbers ({node.target})",
                        self._place(node.name),
                        help="call model.eval() first, so that dropout does nothing",
                    )
                )
            elif any(_is_symbolic(value) for value in _values(node)):
                problems.append(
                    CaptureError(
                        f"the shape of what {node.target} yields is not fixed",
                        self._place(node.name),
                        help="export with static shapes; select with torch.where, not by a mask",
                    )
                )
        problem = collect(problems)
        if problem is not None:
            raise problem

    def _tensors(self, wanted: set[str]) -> dict[str, tuple[str, str, torch.Tensor]]:
        """(kind, target, data) of the parameters, buffers and constants wanted, by node name."""
        tensors: dict[str, tuple[str, str, torch.Tensor]] = {}
        for spec in self.program.graph_signature.input_specs:
            name = _argument_name(spec.arg)
            if spec.kind.name == "USER_INPUT" or name not in wanted:
                continue
            target = str(spec.target)
            state = self.program.state_dict.get(target, self.program.constants.get(target))
            if state is None:
                raise CaptureError(f"the exported program lacks the data of {target}")
            tensors[name] = (spec.kind.name, target, state)
        return tensors

    def _constants(
        self, tensors: dict[str, tuple[str, str, torch.Tensor]], needed: set[str]
    ) -> Iterator[CapturedConstant]:
        """Parameters and buffers; one tensor under two names has one label and data."""
        shared: dict[tuple[Any, ...], CapturedConstant] = {}
        for name, (kind, target, tensor) in tensors.items():
            if name not in needed:
                continue
            # a storage on the meta device has no address, and is itself where it is shared
            storage = tensor.untyped_storage()
            key = (
                storage._cdata if tensor.is_meta else storage.data_ptr(),  # pyright: ignore[reportPrivateUsage]
                tensor.storage_offset(), tuple(tensor.shape), tensor.stride(), tensor.dtype,
            )  # fmt: skip
            first = shared.get(key) if tensor.numel() else None
            if first is None:
                first = self._constant(name, target, tensor, is_parameter=kind == "PARAMETER")
                shared[key] = first
            yield replace(first, node=name)

    def _constant(
        self, node: str, label: str, tensor: torch.Tensor, is_parameter: bool
    ) -> CapturedConstant:
        dtype = _dtype_name(tensor.dtype)
        data, at, shape = _array(tensor), self._place(node), tuple(tensor.shape)
        label = self._tensor_label(label)
        return CapturedConstant(node, label, shape, data, dtype, is_parameter, at)

    def _node(self, node: torch.fx.Node) -> Node:
        values = _values(node)
        return Node(
            name=node.name,
            target=_target_name(node.target),
            arguments=_arguments(node),
            results=tuple(self._meta(node, value) for value in values),
            is_tuple=isinstance(node.meta.get("val"), (list, tuple)),
            at=self._place(node.name),
            module=_module_path(node),
        )

    def _meta(self, node: torch.fx.Node, value: Any) -> TensorMeta | None:
        import torch

        if not isinstance(value, torch.Tensor):
            return None
        if _is_symbolic(value):
            raise CaptureError(
                f"the shape of {node.name} is dynamic",
                self._place(node.name),
                help="export with static shapes, one program per shape",
            )
        return TensorMeta(tuple(map(int, value.shape)), _dtype_name(value.dtype))

    def _place(self, name: str) -> Location | None:
        trace = self.nodes[name].meta.get("stack_trace")
        return find_location(trace, self.is_library) if isinstance(trace, str) else None

    def _tensor_label(self, target: str) -> str:
        """The label of a module's tensor: the same in all entries that share it."""
        return target if target in self.shared.labels else self._label(target)

    def _label(self, wanted: str) -> str:
        """A label that no other tensor of the program has."""
        label, number = wanted, 1
        while label in self.taken:
            number += 1
            label = f"{wanted}_{number}"
        self.taken.add(label)
        return label

    def _structure(self, spec: Any, leaves: Iterator[Structure]) -> Structure:
        if spec.is_leaf():
            return next(leaves)
        entries = tuple(self._structure(child, leaves) for child in spec.children())
        keys = _keys(spec)
        if keys is not None:
            return Structure("dict", entries=entries, keys=keys)
        return Structure("list" if spec.type is list else "tuple", entries=entries)


def _leaf(item: CapturedInput | Structure) -> Structure:
    return item if isinstance(item, Structure) else Structure("tensor", item.label)


def _keys(spec: Any) -> tuple[str, ...] | None:
    """Keys of a dict or of a container that torch flattens by name, such as a ModelOutput."""
    context = spec.context
    if spec.type not in (list, tuple) and isinstance(context, (list, tuple)):
        keys: tuple[Any, ...] = tuple(context)  # pyright: ignore
        if len(keys) == len(spec.children()) and all(isinstance(k, (str, int)) for k in keys):
            return tuple(map(str, keys))
    return None


def _output_labels(spec: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """One label per leaf: `output`, `output_0`, or the keys that lead to it."""
    if spec.is_leaf():
        joined = "_".join(path)
        yield joined if joined and not joined[0].isdigit() else "_".join(("output", *path))
        return
    keys = _keys(spec) or tuple(map(str, range(len(spec.children()))))
    for key, child in zip(keys, spec.children(), strict=True):
        yield from _output_labels(child, (*path, key))


def _argument_name(argument: Any) -> str:
    """The node that an argument of a graph signature names; empty for constants."""
    return "" if type(argument).__name__ == "ConstantArgument" else str(argument.name)


def _argument_value(argument: Any) -> Any:
    """The value of a constant argument of a graph signature."""
    return argument.value


def _values(node: torch.fx.Node) -> tuple[Any, ...]:
    value = node.meta.get("val")
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)  # pyright: ignore


def _is_symbolic(value: Any) -> bool:
    import torch

    if isinstance(value, torch.Tensor):
        extents: tuple[Any, ...] = tuple(value.shape)
        return any(not isinstance(extent, int) for extent in extents)
    return isinstance(value, (torch.SymInt, torch.SymFloat, torch.SymBool))


def _draws_random_numbers(target: Any) -> bool:
    import torch

    if not isinstance(target, torch._ops.OpOverload):  # pyright: ignore[reportPrivateUsage]
        return False
    name = str(target)  # pyright: ignore[reportUnknownArgumentType]
    return torch.Tag.nondeterministic_seeded in target.tags and name != _MAYBE_RANDOM


def _target_name(target: Any) -> str:
    import torch

    if isinstance(target, torch._ops.OperatorBase):  # pyright: ignore[reportPrivateUsage]
        return str(target)
    return str(target.__name__)


def _arguments(node: torch.fx.Node) -> dict[str, Argument]:
    """Arguments by name, defaults filled in."""
    import torch

    target = node.target
    if isinstance(target, torch._ops.OpOverload):  # pyright: ignore[reportPrivateUsage]
        named: dict[str, Argument] = {}
        for position, declared in enumerate(target._schema.arguments):  # pyright: ignore
            if position < len(node.args) and not declared.kwarg_only:
                given: Any = node.args[position]
            else:
                given = node.kwargs.get(declared.name, declared.default_value)
            named[declared.name] = _argument(given)
        return named
    return {str(position): _argument(given) for position, given in enumerate(node.args)}


def _argument(given: Any) -> Argument:
    import torch

    match given:
        case torch.fx.Node():
            return Ref(given.name)
        case None | bool() | int() | float() | str():
            return given
        case list() | tuple():
            return tuple(_argument(item) for item in given)  # pyright: ignore
        case torch.dtype():
            return _dtype_name(given)
        case _:
            return str(given)  # layouts, devices, memory formats: no lowering reads them


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _module_path(node: torch.fx.Node) -> str:
    stack: Any = node.meta.get("nn_module_stack")
    if not stack:
        return ""
    path, _ = list(stack.values())[-1]
    return str(path)


def _array(tensor: torch.Tensor) -> NDArray[Any] | None:
    """A copy of the data, so that later training of the model does not reach the program."""
    import torch

    if tensor.is_meta:
        return None
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    return np.array(tensor.resolve_conj().numpy(), order="C", copy=True)
