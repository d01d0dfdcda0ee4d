"""Fields of an operation by kind, read off its class: what printer, parser and listings go by."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, get_type_hints

from waferc_ir.dtypes import DType
from waferc_ir.ops.declare import Op
from waferc_ir.program import Value
from waferc_ir.types import Axis, Layout, RegionName


class FieldKind(Enum):
    """What a field holds; the value says it in the words of error messages."""

    VALUE = "a value"
    OPTIONAL_VALUE = "a value or none"
    VALUES = "a list of values"
    BOOL = "true or false"
    INT = "an integer"
    FLOAT = "a number"
    STRING = "a string"
    DTYPE = "an element type"
    AXIS = "an axis, x or y"
    INTS = "a list of integers"
    LAYOUT = "a layout"
    REGION = "a region such as @r0"
    CORNERS = "a list of corners such as [7, 0]"

    @property
    def is_operand(self) -> bool:
        """Whether the field holds values of the program."""
        return self in (FieldKind.VALUE, FieldKind.OPTIONAL_VALUE, FieldKind.VALUES)


_KINDS: tuple[tuple[Any, FieldKind], ...] = (
    (Value, FieldKind.VALUE),
    (Value | None, FieldKind.OPTIONAL_VALUE),
    (tuple[Value, ...], FieldKind.VALUES),
    (bool, FieldKind.BOOL),
    (int, FieldKind.INT),
    (float, FieldKind.FLOAT),
    (str, FieldKind.STRING),
    (DType, FieldKind.DTYPE),
    (Axis, FieldKind.AXIS),
    (tuple[int, ...], FieldKind.INTS),
    (Layout, FieldKind.LAYOUT),
    (RegionName, FieldKind.REGION),
)


@dataclass(frozen=True, slots=True)
class OpField:
    """A field of an operation. `default` means nothing where the field is required."""

    name: str
    kind: FieldKind
    required: bool
    default: Any = None


@cache
def signature(op: type[Op]) -> tuple[OpField, ...]:
    """Fields of an operation class in order.

    Raises:
        TypeError: a field's annotation is none of the kinds that the text form knows.
    """
    hints = get_type_hints(op, include_extras=True)
    fields: list[OpField] = []
    for field in dataclasses.fields(op):  # type: ignore[arg-type]
        hint = hints[field.name]
        kind = next((kind for known, kind in _KINDS if known == hint), None)
        if kind is None:
            raise TypeError(f"{op.name}: field {field.name} has no text form: {hint}")
        required = field.default is dataclasses.MISSING
        fields.append(OpField(field.name, kind, required, None if required else field.default))
    return tuple(fields)
