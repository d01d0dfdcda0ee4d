"""A program: statements in order, each with an operation, at most one result, and a place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from waferc_ir.diagnostics import Location, WaferError
from waferc_ir.types import Buffer, Path, Region, Type

if TYPE_CHECKING:
    from waferc_ir.ops.declare import Op

Kind = Literal["graph", "tiled"]


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """What a statement yields. Compared by identity: its number is its order in the program."""

    type: Type


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """An operation, the value that it defines (None for outputs), and the user's line."""

    op: Op
    result: Value | None
    at: Location | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A graph or tiled program. Immutable: passes build new ones with `Builder`."""

    kind: Kind
    name: str
    statements: tuple[Statement, ...] = ()
    regions: tuple[Region, ...] = ()
    paths: tuple[Path, ...] = ()
    buffers: tuple[Buffer, ...] = ()
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=lambda: {})

    def region(self, name: str) -> Region:
        """The region called `name`; KeyError if there is none."""
        for region in self.regions:
            if region.name == name:
                return region
        raise KeyError(name)

    def uses(self) -> dict[Value, list[Statement]]:
        """For every defined value the statements that read it, in order."""
        uses: dict[Value, list[Statement]] = {
            s.result: [] for s in self.statements if s.result is not None
        }
        for statement in self.statements:
            for operand in statement.op.operands():
                uses[operand].append(statement)
        return uses

    def with_statements(self, statements: Iterable[Statement]) -> Program:
        """The same program with other statements."""
        return replace(self, statements=tuple(statements))


class Builder:
    """Appends statements; result types are computed by the operations themselves."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self.at: Location | None = None

    def add(self, op: Op, at: Location | None = None) -> Value:
        """Append an operation that has a result, and return the result.

        Raises:
            VerifyError: a rule of the operation is broken, at its place.
        """
        result_type = self._checked(op, at)
        assert result_type is not None, f"{op.name} has no result"
        value = Value(result_type)
        self.statements.append(Statement(op, value, at if at is not None else self.at))
        return value

    def effect(self, op: Op, at: Location | None = None) -> None:
        """Append an operation without a result (an output).

        Raises:
            VerifyError: a rule of the operation is broken, at its place.
        """
        self._checked(op, at)
        self.statements.append(Statement(op, None, at if at is not None else self.at))

    def _checked(self, op: Op, at: Location | None) -> Type | None:
        try:
            return op.result_type()
        except WaferError as error:
            error.at = error.at or at or self.at
            raise
