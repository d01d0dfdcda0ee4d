from __future__ import annotations

import copy

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.end_to_end.strategies_models import Drawn, models

import waferc
from waferc.layouts.problem import TileError


def own_error(drawn: Drawn) -> float:
    """Relative L2 error of PyTorch's own f32 result, against f64: large where terms cancel."""
    with torch.no_grad():
        exact = copy.deepcopy(drawn.model).double()(drawn.x.double())
        return float((drawn.model(drawn.x) - exact).norm() / exact.norm())


@settings(max_examples=12)
@given(
    models(),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.sampled_from(["wse2", "wse3"]),
    st.integers(1, 2),
)
def test_a_random_model_equals_pytorch(
    drawn: Drawn, region: tuple[int, int], target: str, stages: int
) -> None:
    try:
        compiled = waferc.compile(
            drawn.model, (drawn.x,), region=region, target=target, stages=stages
        )
    except TileError as problem:
        assume(f"do not make {stages} stages" not in problem.message)
        raise
    result = compiled.verify()
    # the tolerance is relative to the result: it says nothing where f32 itself loses the result
    assume(own_error(drawn) <= result.tolerance / 2)
    assert result.passed, f"{drawn.steps}\n{result}"
