from __future__ import annotations

import numpy as np
import pytest

from waferc.evaluate.graph import evaluate
from waferc.passes.base import PassError
from waferc.passes.convert_floats import ConvertFloats
from waferc.unit import Unit
from waferc_ir.dtypes import DType
from waferc_ir.machine import WSE3
from waferc_ir.ops.graph_compute import Binary, Cast, Embedding
from waferc_ir.ops.graph_structure import Fill, Input, Output, Parameter
from waferc_ir.program import Builder, Program
from waferc_ir.types import TensorType
from waferc_ir.verify import verify


def unit(largest: float = 2.0) -> Unit:
    builder = Builder()
    ids = builder.add(Input("ids", (3,), DType.I32))
    table = builder.add(Parameter("table", (4, 2), DType.F32))
    rows = builder.add(Embedding(table, ids))
    ones = builder.add(Fill(1.0, (3, 2), DType.F32))
    total = builder.add(Binary(rows, ones, "add"))
    count = builder.add(Cast(total, DType.I32))
    builder.effect(Output(total, "total"))
    builder.effect(Output(count, "count"))
    weights = {"table": np.array([[1 / 3, largest]] * 4, np.float32)}
    return Unit(Program("graph", "p", tuple(builder.statements)), weights, WSE3)


def test_every_float_is_converted_and_nothing_else() -> None:
    made = ConvertFloats().run(unit())
    verify(made.program)
    types = [s.result.type for s in made.program.statements if s.result is not None]
    dtypes = [t.dtype for t in types if isinstance(t, TensorType)]
    assert dtypes == [DType.I32, DType.F16, DType.F16, DType.F16, DType.F16, DType.I32]
    got = evaluate(made.program, {"ids": np.array([0, 1, 2], np.int32)}, made.weights)
    assert got["total"][0, 0] == np.float16(1 / 3) + np.float16(1)
    assert got["count"].dtype == np.int32


def test_f32_stays_as_it_is() -> None:
    made = ConvertFloats("f32").run(unit())
    np.testing.assert_array_equal(made.weights["table"], unit().weights["table"])


def test_a_parameter_that_overflows_is_named() -> None:
    with pytest.raises(PassError) as caught:
        ConvertFloats().run(unit(largest=1e6))
    assert "'table' has 4 values beyond what f16 holds" in str(caught.value)
    assert "1e+06" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "held"), [(-3.4e38, -65504.0), (1e5, 65504.0), (-np.inf, -np.inf), (2.0, 2.0)]
)
def test_a_fill_that_hides_scores_stays_finite(value: float, held: float) -> None:
    builder = Builder()
    builder.effect(Output(builder.add(Fill(value, (2,), DType.F32)), "hidden"))
    given = Unit(Program("graph", "p", tuple(builder.statements)), {}, WSE3)
    [found] = evaluate(ConvertFloats().run(given).program, {}, {}).values()
    np.testing.assert_array_equal(found, np.full(2, held, np.float16))
