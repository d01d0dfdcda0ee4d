"""Which statements of a tiled program are done at once: sums that go along a line together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from waferc_ir.ops import collective
from waferc_ir.program import Statement
from waferc_ir.types import TiledType


def joined(statements: Sequence[Statement]) -> Iterator[tuple[Statement, ...]]:
    """All statements in order, those that are carried out at once together.

    These are all_reduces that follow one another, along one axis of a region, if none needs the
    result of another.
    """
    together: list[Statement] = []
    for statement in statements:
        if together and not _may_join(together, statement):
            yield tuple(together)
            together = []
        together.append(statement)
    if together:
        yield tuple(together)


def _may_join(together: Sequence[Statement], statement: Statement) -> bool:
    first, op = together[0].op, statement.op
    if not isinstance(first, collective.AllReduce) or not isinstance(op, collective.AllReduce):
        return False
    one, other = first.x.type, op.x.type
    assert isinstance(one, TiledType)
    assert isinstance(other, TiledType)
    made = {s.result for s in together}
    return (one.region, first.axis) == (other.region, op.axis) and op.x not in made
