"""Cancels data movement and arithmetic that does nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar

from waferc.passes import simplify_arithmetic as arithmetic
from waferc.passes import simplify_contract as contract
from waferc.passes import simplify_moves as moves
from waferc.passes.base import Pass
from waferc.passes.simplifying import Rule, Simplifying
from waferc.unit import Unit
from waferc_ir.ops import graph_compute, graph_move
from waferc_ir.ops.declare import Op
from waferc_ir.rewrite import eliminate_dead

RULES: Mapping[type[Op], tuple[Rule, ...]] = MappingProxyType(
    {
        graph_move.Reshape: (moves.reshape,),
        graph_move.Permute: (moves.permute,),
        graph_move.Slice: (moves.slice_, moves.slice_earlier),
        graph_move.Expand: (moves.expand,),
        graph_move.Concat: (moves.concat,),
        graph_move.Pad: (moves.pad,),
        graph_compute.Contract: (contract.permuted, contract.merged),
        graph_compute.Reduce: (moves.reduce,),
        graph_compute.Cast: (arithmetic.cast, moves.permute_later),
        graph_compute.Unary: (arithmetic.unary, moves.permute_later),
        graph_compute.Binary: (
            moves.unexpanded_binary,
            arithmetic.binary,
            arithmetic.causal_sum,
        ),
        graph_compute.BinaryScalar: (arithmetic.binary_scalar, moves.permute_later),
        graph_compute.Select: (
            moves.unexpanded_select,
            arithmetic.select,
            arithmetic.causal_select,
        ),
    }
)
"""By operation class, in the order in which they are tried."""

_MAXIMUM_ROUNDS = 16


@dataclass(frozen=True)
class SimplifyGraph(Pass):
    """Compose reshapes, permutations, slices and paddings; drop operations that do nothing.

    Permutations and merged dimensions go into contractions, fills into scalar operands, slices to
    before what they cut; masks that are a constant triangle become causal masks. Repeated until
    nothing changes; what is dead is dropped.
    """

    name: ClassVar[str] = "simplify-graph"

    def run(self, unit: Unit) -> Unit:
        program = unit.program
        for _ in range(_MAXIMUM_ROUNDS):
            simplifying = Simplifying(RULES, unit.weights)
            program = eliminate_dead(simplifying.run(program))
            if not simplifying.changed:
                break
        return replace(unit, program=program)
