"""Numerics and parameters of decompositions and folding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from waferc.evaluate.graph import evaluate
from waferc.passes.decompose import Decompose
from waferc.passes.fold_constants import FoldConstants
from waferc.unit import Unit
from waferc_ir.dtypes import DType
from waferc_ir.machine import machine
from waferc_ir.ops.declare import Op
from waferc_ir.ops.graph_compute import Binary, LayerNorm, Linear, MatMul, Pool2d, RmsNorm, Softmax
from waferc_ir.ops.graph_move import Expand, Permute, Reshape
from waferc_ir.ops.graph_structure import Fill, Input, Output, Parameter
from waferc_ir.printer import print_program
from waferc_ir.program import Builder, Program, Value


def unit_of(builder: Builder, result: Value, weights: Mapping[str, NDArray[Any]]) -> Unit:
    builder.effect(Output(result, "y"))
    program = Program("graph", "case", tuple(builder.statements))
    return Unit(program, weights, machine("wse3"))


HALF: dict[str, Callable[[Value], Op]] = {
    "layer_norm": lambda x: LayerNorm(x, None, None, 1, 1e-5),
    "rms_norm": lambda x: RmsNorm(x, None, 1, 1e-5),
    "softmax": lambda x: Softmax(x, 1),
}


@pytest.mark.parametrize("case", HALF)
def test_half_precision_stays_in_range(case: str) -> None:
    b = Builder()
    x = b.add(Input("x", (2, 2048), DType.F16))
    unit = unit_of(b, b.add(HALF[case](x)), {})
    data = np.random.default_rng(0).normal(0, 20, (2, 2048)).astype(np.float16)
    expected = evaluate(unit.program, {"x": data}, {})["y"]
    found = evaluate(Decompose().run(unit).program, {"x": data}, {})["y"]
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected, rtol=5e-3, atol=5e-3)


def test_linear_contracts_with_the_weight_as_it_is_stored() -> None:
    b = Builder()
    x = b.add(Input("x", (2, 3), DType.F32))
    weight = b.add(Parameter("w", (4, 3), DType.F32))
    unit = unit_of(b, b.add(Linear(x, weight, None)), {})
    text = print_program(Decompose().run(unit).program)
    assert '%2 = graph.contract %0, %1 {lhs_dims = "ak", rhs_dims = "nk", out_dims = "an"}' in text


@pytest.mark.parametrize(
    ("left", "right"),
    [((2, 1, 3, 4), (5, 4, 2)), ((3, 4), (2, 1, 4, 2)), ((1, 3, 4), (1, 4, 2))],
)
def test_broadcast_matmul(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    b = Builder()
    lhs, rhs = b.add(Input("l", left, DType.F32)), b.add(Input("r", right, DType.F32))
    unit = unit_of(b, b.add(MatMul(lhs, rhs)), {})
    source = np.random.default_rng(1)
    inputs = {
        "l": source.normal(size=left).astype(np.float32),
        "r": source.normal(size=right).astype(np.float32),
    }
    found = evaluate(Decompose().run(unit).program, inputs, {})["y"]
    np.testing.assert_allclose(found, np.matmul(inputs["l"], inputs["r"]), rtol=1e-5)


def test_a_mean_without_padding_gets_a_constant_for_each_window() -> None:
    b = Builder()
    x = b.add(Input("x", (1, 1, 3, 3), DType.F32))
    pool = Pool2d(x, "mean", (2, 2), (1, 1), (1, 1), count_padding=False)
    unit = unit_of(b, b.add(pool), {})
    after = Decompose().run(unit)
    assert list(after.weights) == ["pool.count"]
    assert after.weights["pool.count"][0, 0, 0].tolist() == [4, 2, 2, 4]


def test_folded_parameters_are_called_after_their_sources() -> None:
    b = Builder()
    w = b.add(Parameter("a.w", (2, 3), DType.F32))
    v = b.add(Parameter("a.v", (2, 3), DType.F32))
    alone = b.add(Permute(w, (1, 0)))
    both = b.add(Permute(b.add(Binary(w, v, "add")), (1, 0)))
    b.effect(Output(alone, "z"))
    data = np.arange(6, dtype=np.float32).reshape(2, 3)
    after = FoldConstants().run(unit_of(b, both, {"a.w": data, "a.v": data}))
    assert set(after.weights) == {"a.w", "a.v", "a.w.folded", "a.folded"}
    np.testing.assert_array_equal(after.weights["a.folded"], 2 * data.T)


def test_what_is_the_same_everywhere_becomes_a_fill() -> None:
    b = Builder()
    w = b.add(Parameter("w", (2, 3), DType.F32))
    after = FoldConstants().run(unit_of(b, b.add(Reshape(w, (6,))), {"w": np.ones((2, 3), "f4")}))
    ops = [s.op for s in after.program.statements]
    assert [op.value for op in ops if isinstance(op, Fill)] == [1.0]


def test_expansions_are_not_stored() -> None:
    b = Builder()
    w = b.add(Parameter("w", (1, 3), DType.F32))
    turned = b.add(Reshape(w, (3, 1)))
    grown = b.add(Expand(turned, (3, 1000)))
    data = {"w": np.arange(3, dtype=np.float32)[None]}
    after = FoldConstants().run(unit_of(b, grown, data))
    assert after.weights["w.folded"].shape == (3, 1)
    assert after.program.statements[-2].op.name == "graph.expand"
