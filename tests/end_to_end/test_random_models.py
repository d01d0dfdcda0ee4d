from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.end_to_end.strategies_models import Drawn, models

import waferc
from waferc.layouts.problem import TileError


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
    assert result.passed, f"{drawn.steps}\n{result}"
