"""How an operation is declared: one class with operands, attributes, rules and result type."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn, dataclass_transform, get_type_hints

from waferc_ir.diagnostics import WaferError
from waferc_ir.program import Value
from waferc_ir.types import Type

_OPS: dict[str, type[Op]] = {}


class VerifyError(WaferError):
    """A program breaks a rule of the IR."""

    code = "verify"


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
class Op:
    """An operation. Subclasses are frozen dataclasses: `class MatMul(Op, name="tile.matmul")`.

    Fields annotated `Value`, `Value | None` or `tuple[Value, ...]` are operands, in order; all
    other fields are attributes (bool, int, float, str, DType, tuple of int, Layout, ...).
    """

    name: ClassVar[str]
    results: ClassVar[int] = 1

    def __init_subclass__(cls, name: str, results: int = 1) -> None:
        if name in _OPS:
            first = _OPS[name].__module__
            raise TypeError(f"op {name} is declared in {first} and {cls.__module__}")
        cls.name = name
        cls.results = results
        dataclasses.dataclass(frozen=True, eq=False)(cls)
        _OPS[name] = cls

    def operands(self) -> tuple[Value, ...]:
        """All operand values, in declaration order."""
        return tuple(self._walk())

    def _walk(self) -> Iterator[Value]:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            content = getattr(self, field.name)
            if isinstance(content, Value):
                yield content
            elif isinstance(content, tuple):
                yield from (v for v in content if isinstance(v, Value))  # pyright: ignore

    def with_operands(self, mapping: Mapping[Value, Value]) -> Op:
        """The same operation on other values: operands found in `mapping` are replaced."""

        def renamed(content: Any) -> Any:
            if isinstance(content, Value):
                return mapping.get(content, content)
            if isinstance(content, tuple):
                return tuple(renamed(item) for item in content)  # pyright: ignore
            return content

        changes = {
            field.name: renamed(getattr(self, field.name))
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
        }
        return type(self)(**changes)

    def attributes(self) -> dict[str, Any]:
        """Attribute fields by name, operands left out."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
            if not is_operand_field(type(self), field.name)
        }

    def require(self, condition: bool, message: str) -> None:
        """Raise `VerifyError` with this operation's name unless `condition` holds."""
        if not condition:
            self.refuse(message)

    def refuse(self, message: str) -> NoReturn:
        """Raise `VerifyError` with this operation's name."""
        raise VerifyError(f"{self.name}: {message}")

    def verify(self) -> None:
        """Check operands and attributes.

        Raises:
            VerifyError: a rule of the operation is broken.
        """
        self.result_type()

    def result_type(self) -> Type | None:
        """Type of the result; None for operations without one.

        Computing the type and checking what it rests on are one: the rules of an operation stand
        here, and are raised as in `verify`.
        """
        raise NotImplementedError(type(self).__name__)


@cache
def is_operand_field(op: type[Op], field: str) -> bool:
    """Whether a field of an operation class is annotated to hold values."""
    return "Value" in str(get_type_hints(op)[field])


OPS: Mapping[str, type[Op]] = MappingProxyType(_OPS)
