"""Functions of f16 by operations on vectors: all f16 numbers, both engines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.compiler.emit.strategies_tiles import Case

from waferc.analysis.scratch import has_vectors
from waferc.emit.emit import emit
from waferc.layouts.vector_functions import FUNCTIONS, LANES
from waferc_ir.dtypes import DType
from waferc_ir.machine import MACHINES
from waferc_ir.ops import tile_compute
from waferc_ir.types import Layout, Region, Split
from waferc_runtime.host.bundle import make_bundle
from waferc_runtime.host.session import Session

Array = NDArray[Any]

# The largest and the root mean square error in units of 2^-11 of the result, and the largest in
# units of 2^-24 where that is no normal number: what the table of functions says.
ERRORS = {
    "exp": (3.2, 0.92, 2), "sigmoid": (4.0, 0.6, 2), "silu": (4.6, 0.8, 3),
    "gelu_tanh": (20, 1.2, 8),
}  # fmt: skip


def _exact(fn: str, x: Array) -> Array:
    inner = {"silu": x, "sigmoid": x, "gelu_tanh": 1.5957691216057308 * (x + 0.044715 * x**3)}
    if fn == "exp":
        return np.exp(x)
    logistic = 1 / (1 + np.exp(-inner[fn]))
    return logistic if fn == "sigmoid" else np.where(x == -np.inf, 0, x * logistic)


def _case(fn: str, numbers: Array, width: int, height: int, *, in_place: bool = False) -> Case:
    """The function on a matrix of numbers, cut into blocks."""
    case = Case(Region("r0", width, height, 0, 0, (0, 1, 2, 3, 4, 5)), DType.F16)
    rows, columns = numbers.shape
    layout = Layout((Split("y", -(-rows // height)), Split("x", -(-columns // width))))
    x = case.input(numbers, layout)
    op = tile_compute.Unary(x, fn)
    assert has_vectors(op, MACHINES["wse2"])
    case.output(case.add(op, over=x if in_place else None))
    return case


def _run(case: Case, target: str, engine: str) -> Array:
    emitted = emit(case.unit(target))
    return Session(make_bundle(emitted.manifest, emitted.sources, {}), engine).run(case.inputs)[
        "out"
    ]


@pytest.mark.parametrize("fn", FUNCTIONS)
def test_no_f16_number_is_off_by_more_than_the_table_says(fn: str) -> None:
    bits = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    numbers = bits.view(np.float16)
    numbers = np.where(np.isnan(numbers), np.float16(np.nan), numbers)
    got = _run(_case(fn, numbers, 16, 16), "wse2", "vector")
    with np.errstate(all="ignore"):
        exact = _exact(fn, numbers.astype(np.float64))
        rounded = exact.astype(np.float16)
    assert np.array_equal(np.isnan(got), np.isnan(numbers))
    assert np.array_equal(np.isinf(got), np.isinf(rounded))
    is_finite = np.isfinite(rounded)
    error = np.abs(got[is_finite].astype(np.float64) - exact[is_finite])
    size = np.abs(exact[is_finite])
    is_normal = size >= 2.0**-14
    relative = error[is_normal] / size[is_normal] * 2**11
    largest, usual, below = ERRORS[fn]
    assert relative.max() <= largest
    assert np.sqrt(np.mean(relative**2)) <= usual
    assert error[~is_normal].max() * 2**24 <= below


@pytest.mark.parametrize(("fn", "target"), [("exp", "wse2"), ("silu", "wse3")])
def test_both_engines_yield_the_same_bits_in_any_number_of_calls(fn: str, target: str) -> None:
    for columns in (2 * LANES + 47, 31):
        rng = np.random.default_rng(columns)
        numbers = (2 * rng.standard_normal((1, columns))).astype(np.float16)
        for in_place in (False, True):
            case = _case(fn, numbers, 1, 1, in_place=in_place)
            got, again = (_run(case, target, engine) for engine in ("vector", "reference"))
            assert np.array_equal(got, again)
            exact = _exact(fn, numbers.astype(np.float64))
            np.testing.assert_allclose(got.astype(np.float64), exact, 1e-2, 1e-6)
