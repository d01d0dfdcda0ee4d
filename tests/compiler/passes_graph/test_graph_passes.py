"""Laws of the graph passes: meaning, signature, rules and form are kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.compiler.passes_graph.strategies_meaning import (
    chained_programs,
    meanings,
    steady_programs,
    unit_with_data,
)
from tests.ir.strategies import graph_programs

from waferc.evaluate.graph import evaluate
from waferc.passes.base import Pass
from waferc.passes.decompose import Decompose
from waferc.passes.eliminate_dead import EliminateDead
from waferc.passes.fold_constants import FoldConstants
from waferc.passes.simplify_graph import SimplifyGraph
from waferc.passes.turn_weights import TurnWeights
from waferc.unit import Unit
from waferc_ir.dtypes import DType
from waferc_ir.ops import graph_compute as compute
from waferc_ir.ops.graph_structure import Input, Output, Parameter
from waferc_ir.printer import print_program
from waferc_ir.program import Builder, Program
from waferc_ir.verify import verify

CHAINS: dict[str, tuple[Pass, ...]] = {
    "fold": (FoldConstants(),),
    "fold_little": (FoldConstants(limit=4),),
    "decompose": (Decompose(),),
    "simplify": (SimplifyGraph(),),
    "eliminate": (EliminateDead(),),
    "turn": (TurnWeights(),),
    "all": (
        FoldConstants(),
        Decompose(),
        SimplifyGraph(),
        FoldConstants(),
        EliminateDead(),
        TurnWeights(),
    ),
}
COMPOSITE = (
    compute.Softmax, compute.LayerNorm, compute.RmsNorm, compute.Linear, compute.MatMul,
    compute.Attention,
)  # fmt: skip


def run(unit: Unit, passes: tuple[Pass, ...]) -> Unit:
    for one in passes:
        unit = one.run(unit)
        verify(unit.program)
    return unit


def signature(program: Program) -> list[tuple[str, str, str]]:
    ops = [s.op for s in program.statements if isinstance(s.op, Input | Output)]
    kinds = [op.result_type() if isinstance(op, Input) else op.x.type for op in ops]
    return sorted((op.name, op.label, str(kind)) for op, kind in zip(ops, kinds, strict=True))


@pytest.mark.parametrize("chain", CHAINS)
@given(program=steady_programs() | chained_programs(), seed=st.integers(0, 99))
def test_passes_keep_meaning(chain: str, program: Program, seed: int) -> None:
    unit, inputs = unit_with_data(program, seed)
    before = evaluate(program, inputs, unit.weights)
    after = run(unit, CHAINS[chain])
    found = evaluate(after.program, inputs, after.weights)
    for label, expected in before.items():
        finite = expected[np.isfinite(expected)]
        scale = max(1.0, float(np.max(np.abs(finite), initial=0.0)))
        np.testing.assert_allclose(found[label], expected, rtol=1e-3, atol=1e-3 * scale)


@pytest.mark.parametrize("chain", ["fold", "fold_little", "eliminate"])
@given(program=graph_programs(), seed=st.integers(0, 99))
def test_folding_and_elimination_keep_every_bit(chain: str, program: Program, seed: int) -> None:
    unit, inputs = unit_with_data(program, seed)
    before = meanings(unit, inputs)
    found = meanings(run(unit, CHAINS[chain]), inputs)
    for label, expected in before.items():
        np.testing.assert_array_equal(found[label], expected)


@pytest.mark.parametrize("chain", CHAINS)
@given(program=graph_programs())
def test_passes_keep_the_signature(chain: str, program: Program) -> None:
    unit, _ = unit_with_data(program, 0)
    after = run(unit, CHAINS[chain])
    assert signature(after.program) == signature(program)
    parameters = [s.op for s in after.program.statements if isinstance(s.op, Parameter)]
    assert all(after.weights[op.label].shape == op.shape for op in parameters)
    assert all(after.weights[op.label].dtype == op.dtype.numpy for op in parameters)


@pytest.mark.parametrize("chain", CHAINS)
@given(program=graph_programs())
def test_passes_are_deterministic_and_idempotent(chain: str, program: Program) -> None:
    unit, _ = unit_with_data(program, 0)
    once = run(unit, CHAINS[chain])
    assert print_program(run(unit, CHAINS[chain]).program) == print_program(once.program)
    if chain != "fold":  # a folded label gets a suffix each time
        again = run(once, CHAINS[chain])
        assert len(again.program.statements) == len(once.program.statements)


@given(program=graph_programs())
def test_decompose_leaves_primitives(program: Program) -> None:
    unit, _ = unit_with_data(program, 0)
    for statement in Decompose().run(unit).program.statements:
        op = statement.op
        assert not isinstance(op, COMPOSITE)
        if isinstance(op, compute.Conv2d):
            assert op.bias is None
        if isinstance(op, compute.Conv2d | compute.Pool2d):
            assert not any(op.padding)
        if isinstance(op, compute.Reduce):
            assert op.fn != "mean"


@given(program=graph_programs())
def test_nothing_that_depends_on_no_input_is_left(program: Program) -> None:
    unit, _ = unit_with_data(program, 0)
    after = EliminateDead().run(FoldConstants().run(unit)).program
    fixed = {s.result for s in after.statements if s.op.name in ("graph.parameter", "graph.fill")}
    for statement in after.statements:
        operands = statement.op.operands()
        if operands and statement.result is not None and statement.op.name != "graph.expand":
            assert not fixed.issuperset(operands), statement.op


def test_weights_are_turned_where_all_their_readers_agree() -> None:
    builder = Builder()
    x = builder.add(Input("x", (2, 3), DType.F32))
    w = builder.add(Parameter("w", (4, 3), DType.F32))
    shared = builder.add(Parameter("shared", (4, 3), DType.F32))
    builder.effect(Output(builder.add(compute.Contract(x, w, "mk", "nk", "mn")), "a"))
    builder.effect(Output(builder.add(compute.Contract(x, shared, "mk", "nk", "mn")), "b"))
    builder.effect(Output(shared, "c"))
    unit, inputs = unit_with_data(Program("graph", "g", tuple(builder.statements)), 0)
    after = TurnWeights().run(unit)
    parameters = {s.op.label: s.op.shape for s in after.program.statements
                  if isinstance(s.op, Parameter)}  # fmt: skip
    assert parameters == {"w.turned": (3, 4), "shared": (4, 3)}
    assert set(after.weights) == set(parameters)
    before, found = meanings(unit, inputs), meanings(after, inputs)
    for label, expected in before.items():
        np.testing.assert_array_equal(found[label], expected)
