"""How tensors are nested in a model's arguments and in what it returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from waferc_ir.diagnostics import WaferError

Scalar = bool | int | float | str | None
Kind = Literal["tensor", "constant", "list", "tuple", "dict"]


class StructureError(WaferError):
    """Values are not nested as the model was captured with."""

    code = "inputs"


@dataclass(frozen=True, slots=True)
class Structure:
    """Nested lists, tuples and dicts with labelled tensors and constants at the leaves.

    `kind` says which: `tensor` has a `label`, `constant` a `value`, the others `entries`, and a
    dict its `keys`. Other container types are kept as the tuple or dict that they resemble.
    """

    kind: Kind
    label: str = ""
    value: Scalar = None
    entries: tuple[Structure, ...] = ()
    keys: tuple[str, ...] = ()

    def labels(self) -> tuple[str, ...]:
        """Labels of all tensors, in order."""
        if self.kind == "tensor":
            return (self.label,)
        return tuple(label for entry in self.entries for label in entry.labels())

    def build(self, tensors: Mapping[str, Any]) -> Any:
        """The nested values, with tensors taken by label."""
        match self.kind:
            case "tensor":
                return tensors[self.label]
            case "constant":
                return self.value
            case "dict":
                entries = (entry.build(tensors) for entry in self.entries)
                return dict(zip(self.keys, entries, strict=True))
            case "list":
                return [entry.build(tensors) for entry in self.entries]
            case "tuple":
                return tuple(entry.build(tensors) for entry in self.entries)

    def flatten(self, values: Any, path: str = "inputs") -> dict[str, Any]:
        """The inverse of `build`: tensors by label.

        Raises:
            StructureError: a container has another kind or length, or a constant another value.
        """
        return dict(self._flatten(values, path))

    def _flatten(self, values: Any, path: str) -> Iterator[tuple[str, Any]]:
        match self.kind:
            case "tensor":
                yield self.label, values
            case "constant":
                same = isinstance(values, (bool, int, float, str, type(None)))
                if not same or values != self.value:
                    found = repr(values) if same else type(values).__name__
                    raise StructureError(
                        f"{path} is {found}; the model was captured with {self.value!r}"
                    )
            case "dict":
                yield from self._flatten_mapping(values, path)
            case "list" | "tuple":
                yield from self._flatten_sequence(values, path)

    def _flatten_mapping(self, values: Any, path: str) -> Iterator[tuple[str, Any]]:
        if not isinstance(values, Mapping):
            raise StructureError(f"{path} is {type(values).__name__}, not a dict")
        mapping = cast("Mapping[Any, Any]", values)
        if set(mapping) != set(self.keys):
            raise StructureError(
                f"{path} has the keys {_listed(mapping)}, not {_listed(self.keys)}"
            )
        for key, entry in zip(self.keys, self.entries, strict=True):
            yield from entry._flatten(mapping[key], f"{path}[{key!r}]")

    def _flatten_sequence(self, values: Any, path: str) -> Iterator[tuple[str, Any]]:
        if not isinstance(values, (list, tuple)):
            raise StructureError(f"{path} is {type(values).__name__}, not a {self.kind}")
        sequence = cast("Sequence[Any]", values)
        if len(sequence) != len(self.entries):
            raise StructureError(f"{path} has {len(sequence)} entries, not {len(self.entries)}")
        for number, entry in enumerate(self.entries):
            yield from entry._flatten(sequence[number], f"{path}[{number}]")


def _listed(keys: Any) -> str:
    return ", ".join(map(str, keys)) or "none"
