"""Drops what no output needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from waferc.passes.base import Pass
from waferc.unit import Unit
from waferc_ir.ops import graph_structure, tile_structure
from waferc_ir.rewrite import eliminate_dead


@dataclass(frozen=True)
class EliminateDead(Pass):
    """Drop statements that no output needs, and the data of parameters that nothing reads.

    Inputs stay: they are the model's signature.
    """

    name: ClassVar[str] = "eliminate-dead"

    def run(self, unit: Unit) -> Unit:
        program = eliminate_dead(unit.program)
        ops = [statement.op for statement in program.statements]
        read = {
            op.label
            for op in ops
            if isinstance(
                op, graph_structure.Parameter | graph_structure.State | tile_structure.State
            )
        }
        weights = {label: data for label, data in unit.weights.items() if label in read}
        return replace(unit, program=program, weights=weights)
