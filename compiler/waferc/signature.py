"""How a compiled model is called and what it returns, in a form that a bundle can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from waferc.structure import Kind, Structure
from waferc_ir.diagnostics import WaferError, collect
from waferc_runtime.host.json_fields import Field
from waferc_runtime.host.manifest import MANIFEST, EntryPoint
from waferc_runtime.host.session import InputError

_DEEPEST = 64
_MOST_ENTRIES = 100_000
_DTYPES = (
    "float16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64", "bool",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Signature:
    """Nesting of arguments (a tuple and a dict) and of results; NumPy dtypes of the results.

    `limits` are the smallest and the largest number that an input of ids or positions may hold,
    by label. The dtypes are those of the PyTorch model: a program in f16 whose model returns f32
    gives f32.
    """

    arguments: Structure
    returns: Structure
    dtypes: Mapping[str, str]
    limits: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])

    def document(self) -> dict[str, object]:
        """The signature as JSON."""
        return {
            "arguments": _document(self.arguments),
            "returns": _document(self.returns),
            "dtypes": dict(self.dtypes),
            "limits": {label: list(limits) for label, limits in self.limits.items()},
        }

    def check(self, inputs: Mapping[str, NDArray[Any]]) -> None:
        """Raises InputError for ids and positions beyond what the model has; all of them."""
        problems: list[WaferError] = []
        for label, (low, high) in self.limits.items():
            given = np.asarray(inputs.get(label, low))
            wrong = given[(given < low) | (given > high)]
            if wrong.size:
                problems.append(
                    InputError(
                        f"input {label!r} has {wrong.size:,} numbers that the model does not know,"
                        f" the first is {int(wrong[0]):,}",
                        help=f"it takes {low:,} to {high:,}",
                    )
                )
        problem = collect(problems)
        if problem is not None:
            raise problem


def read_signature(entry: EntryPoint) -> Signature:
    """The signature that stands at an entry, or one that follows from its inputs and outputs.

    Raises:
        BundleError: the entry's structure is damaged.
    """
    if "structure" not in entry.document:
        return plain_signature(entry)
    top = Field(entry.document["structure"], f"structure of {entry.label}", MANIFEST)
    fields = top.mapping(("arguments", "returns", "dtypes"), ("limits",))
    outputs = tuple(placement.label for placement in entry.outputs)
    returns = _structure(fields["returns"], _DEEPEST)
    unknown = [label for label in returns.labels() if label not in outputs]
    if unknown:
        raise fields["returns"].error(f"names outputs that are not there: {', '.join(unknown)}")
    dtypes = fields["dtypes"].mapping(tuple(returns.labels()))
    arguments = _structure(fields["arguments"], _DEEPEST)
    given = set(arguments.labels())
    missing = [placement.label for placement in entry.inputs if placement.label not in given]
    if missing:
        raise fields["arguments"].error(f"lacks inputs {', '.join(missing)}")
    return Signature(
        arguments,
        returns,
        {label: field.one_of(_DTYPES) for label, field in dtypes.items()},
        _limits(fields.get("limits"), given),
    )


def _limits(found: Field | None, inputs: set[str]) -> dict[str, tuple[int, int]]:
    if found is None:
        return {}
    limits: dict[str, tuple[int, int]] = {}
    for label, pair in found.mapping((), tuple(inputs)).items():
        bounds = [item.integer(-(2**31), 2**31 - 1) for item in pair.items(2)]
        if len(bounds) != 2:
            raise pair.error("is no pair of integers")
        limits[label] = bounds[0], bounds[1]
    return limits


def plain_signature(entry: EntryPoint) -> Signature:
    """Inputs as positional arguments in order; a tuple of the outputs, or the only one."""
    labels = dict.fromkeys(placement.label for placement in entry.inputs)
    inputs = tuple(Structure("tensor", label) for label in labels)
    outputs = tuple(Structure("tensor", placement.label) for placement in entry.outputs)
    return Signature(
        Structure("tuple", entries=(Structure("tuple", entries=inputs), Structure("dict"))),
        outputs[0] if len(outputs) == 1 else Structure("tuple", entries=outputs),
        {p.label: str(np.dtype(p.dtype.numpy)) for p in entry.outputs},
    )


def _document(structure: Structure) -> dict[str, object]:
    match structure.kind:
        case "tensor":
            return {"kind": "tensor", "label": structure.label}
        case "constant":
            return {"kind": "constant", "value": structure.value}
        case "dict":
            entries = [_document(entry) for entry in structure.entries]
            return {"kind": "dict", "keys": list(structure.keys), "entries": entries}
        case "list" | "tuple":
            return {"kind": structure.kind, "entries": [_document(e) for e in structure.entries]}


def _structure(field: Field, depth: int) -> Structure:
    if depth == 0:
        raise field.error(f"is nested more than {_DEEPEST} levels deep")
    fields = field.mapping(("kind",), ("label", "value", "keys", "entries"))
    kind = cast("Kind", fields["kind"].one_of(("tensor", "constant", "list", "tuple", "dict")))
    match kind:
        case "tensor":
            return Structure("tensor", field.mapping(("kind", "label"))["label"].text())
        case "constant":
            value = field.mapping(("kind", "value"))["value"]
            if not isinstance(value.value, bool | int | float | str | None):
                raise value.error("is not a plain value")
            return Structure("constant", value=value.value)
        case "dict" | "list" | "tuple":
            own = ("kind", "keys", "entries") if kind == "dict" else ("kind", "entries")
            parts = field.mapping(own)
            entries = tuple(
                _structure(entry, depth - 1) for entry in parts["entries"].items(_MOST_ENTRIES)
            )
            if kind != "dict":
                return Structure(kind, entries=entries)
            keys = tuple(key.text() for key in parts["keys"].items(_MOST_ENTRIES))
            if len(keys) != len(entries):
                raise parts["keys"].error(f"has {len(keys)} names for {len(entries)} entries")
            return Structure("dict", entries=entries, keys=keys)
