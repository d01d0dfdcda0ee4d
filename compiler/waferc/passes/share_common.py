"""Equal operations on equal values are done once."""

from __future__ import annotations

from dataclasses import dataclass

from waferc.passes.base import Pass
from waferc.unit import Unit
from waferc_ir.entries import is_marker
from waferc_ir.ops import graph_structure, tile_structure
from waferc_ir.ops.declare import Op
from waferc_ir.program import Statement, Value


@dataclass(frozen=True)
class ShareCommon(Pass):
    """Do equal operations on equal values once, in graphs and in tiled programs.

    What one entry does, another does again.
    """

    name = "share-common"

    def run(self, unit: Unit) -> Unit:
        first: dict[tuple[object, ...], Value] = {}
        same: dict[Value, Value] = {}
        kept: list[Statement] = []
        shared: dict[tuple[object, ...], Value] | None = None  # what is common to entries
        for statement in unit.program.statements:
            op, result = statement.op.with_operands(same), statement.result
            if is_marker(op):
                shared = first if shared is None else shared
                first = dict(shared)
            # inputs are the caller's: each keeps its own place
            if result is not None and not isinstance(
                op, graph_structure.Input | tile_structure.Input
            ):
                key = _key(op)
                if key in first:
                    same[result] = first[key]
                    continue
                first[key] = result
            kept.append(Statement(op, result, statement.at))
        return unit.with_program(unit.program.with_statements(kept))


def _key(op: Op) -> tuple[object, ...]:
    """What an operation computes: its class, its fields in order, values by identity."""
    # repr tells -0.0 from 0.0 and finds nan equal to itself
    fields = tuple(
        repr(content) if isinstance(content, float) else content for content in vars(op).values()
    )
    return (type(op), *fields)
