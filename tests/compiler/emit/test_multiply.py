"""Blocks of rows times a matrix that stays: any extents, orders of dimensions, types, both axes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compiler.emit.running_tiles import session_of
from tests.compiler.emit.strategies_tiles import Case, numbers

import waferc
from waferc.evaluate.tiled import evaluate
from waferc_ir.dtypes import DType
from waferc_ir.ops import collective
from waferc_ir.types import Layout, Region, Split
from waferc_runtime.host.session import Session


@st.composite
def cases(draw: st.DrawFn, most: int = 4) -> Case:
    """One multiplication, with idle PEs between those that multiply and those that hold rows."""
    along, across = draw(st.permutations(("x", "y")))
    used = {axis: draw(st.integers(1, most)) for axis in "xy"}
    blocks, size = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    first = {axis: used[axis] + draw(st.integers(0, 2)) for axis in "xy"}
    pes = {axis: first[axis] + blocks + draw(st.integers(0, 1)) for axis in "xy"}
    pes[along] += 1  # the last PE holds no rows
    columns, depth = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    extents = {
        "m": draw(st.integers((blocks - 1) * size + 1, blocks * size)),
        "k": draw(st.integers((used[across] - 1) * depth + 1, used[across] * depth)),
        "n": draw(st.integers((used[along] - 1) * columns + 1, used[along] * columns)),
    }
    splits = {
        "m": Split(along, size, first[along]),
        "k": Split(across, depth),
        "n": Split(along, columns),
    }
    region = Region("r0", pes["x"], pes["y"], 1, 0, tuple(range(6)))
    case = Case(region, draw(st.sampled_from((DType.F32, DType.F16))))
    rows_dims, matrix_dims, out_dims = (
        "".join(draw(st.permutations(letters))) for letters in ("mk", "kn", "mn")
    )
    rows, matrix = (
        case.input(
            numbers(draw, tuple(extents[c] for c in dims), case.dtype),
            Layout(tuple(splits[c] for c in dims)),
        )
        for dims in (rows_dims, matrix_dims)
    )
    wide = case.dtype is DType.F16 and draw(st.booleans())
    first_row = first[across]
    op = collective.Multiply(rows, matrix, rows_dims, matrix_dims, out_dims, first_row, wide)
    case.output(case.add(op))
    return case


@settings(max_examples=15)
@given(cases(), st.sampled_from(("wse2", "wse3")))
def test_a_multiplication_computes_what_it_means(case: Case, target: str) -> None:
    unit = case.unit(target)
    expected = evaluate(unit.program, case.inputs, {}, poison=True)["out"]
    np.testing.assert_array_equal(session_of(unit, "vector").run(case.inputs)["out"], expected)


@settings(max_examples=4)
@given(cases(most=2))
def test_both_engines_agree(case: Case) -> None:
    unit = case.unit("wse2")
    sessions = [session_of(unit, engine) for engine in ("vector", "reference")]
    values = [session.run(case.inputs)["out"] for session in sessions]
    np.testing.assert_array_equal(values[0], values[1])
    vector, reference = (_cycles(session) for session in sessions)
    assert vector == pytest.approx(reference, rel=0.02, abs=12)


def _cycles(session: Session) -> int:
    assert session.last_call is not None
    return session.last_call.statistics.cycles


class _Product(torch.nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = torch.nn.Linear(inputs, outputs, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight(x)


def test_large_products_are_done_by_rows_that_visit_the_matrix() -> None:
    """The search chooses it; values are those of torch, and cycles do not depend on data."""
    torch.manual_seed(0)
    x = torch.randn(250, 100)
    model = _Product(100, 90).eval()
    compiled = waferc.compile(model, (x,), target="wse2", region=(14, 13), dtype="f16")
    assert compiled.verify().passed
    with_data = compiled.profile()
    assert with_data.watched is not None
    (line,) = with_data.watched.kernels
    assert line.kernel.operation == "collective.multiply"
    assert line.kernel.estimate == pytest.approx(with_data.cycles, rel=0.15)
    bare = waferc.compile(model.to("meta"), (x,), target="wse2", region=(14, 13), dtype="f16")
    bare.engine = "phantom"
    assert bare.profile().cycles == with_data.cycles
