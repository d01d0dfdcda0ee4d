"""The graph evaluator against plain NumPy, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waferc.evaluate import arrays
from waferc.evaluate.graph import MEANINGS, EvaluateError, evaluate
from waferc_ir.dtypes import DType
from waferc_ir.ops.declare import OPS
from waferc_ir.ops.graph_compute import Unary
from waferc_ir.ops.graph_structure import Input, Output, Parameter
from waferc_ir.program import Builder, Program


def test_every_graph_operation_has_a_meaning() -> None:
    stated = {"graph.input", "graph.parameter", "graph.state", "graph.store", "graph.output"}
    stated.add("graph.entry")
    known = {kind.name for kind in MEANINGS} | stated
    assert {name for name in OPS if name.startswith("graph.")} == known


@given(st.data())
def test_contractions_are_einstein_sums(data: st.DataObject) -> None:
    letters = data.draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5, unique=True))
    extents = {letter: data.draw(st.integers(1, 4)) for letter in letters}
    owners = {letter: data.draw(st.sampled_from(["l", "r", "lr", "lrs"])) for letter in letters}
    lhs = "".join(c for c in letters if "l" in owners[c])
    rhs = "".join(data.draw(st.permutations([c for c in letters if "r" in owners[c]])))
    out = "".join(data.draw(st.permutations([c for c in letters if "s" not in owners[c]])))
    source = np.random.default_rng(0)
    left = source.normal(size=[extents[c] for c in lhs])
    right = source.normal(size=[extents[c] for c in rhs])
    found = arrays.contract(left, right, lhs, rhs, out)
    np.testing.assert_allclose(found, np.einsum(f"{lhs},{rhs}->{out}", left, right), atol=1e-12)


def test_rows_outside_of_a_table_are_zero() -> None:
    table = np.arange(6, dtype=np.float32).reshape(3, 2) + 1
    assert arrays.embedding(table, np.array([-1, 2, 3])).tolist() == [[0, 0], [5, 6], [0, 0]]
    assert arrays.embedding(table, np.array(1)).tolist() == [3, 4]


def test_causal_masks_hide_what_comes_after() -> None:
    x = np.zeros((2, 3), np.float32)
    assert np.isneginf(arrays.causal_mask(x, 0)).tolist() == [
        [False, True, True],
        [False] * 2 + [True],
    ]
    assert not np.isneginf(arrays.causal_mask(x, 2)).any()
    assert np.isneginf(arrays.causal_mask(x, -1))[0].all()


def test_half_precision_sums_are_rounded_once() -> None:
    x = np.full((4096,), 1.0, np.float16)
    assert float(arrays.reduce(x, "sum", (0,), keepdim=False)) == 4096
    assert arrays.reduce(x, "sum", (0,), keepdim=False).dtype == np.float16


def program() -> Program:
    b = Builder()
    x = b.add(Input("x", (2, 3), DType.F32))
    b.add(Parameter("w", (3,), DType.F32))
    b.effect(Output(b.add(Unary(x, "neg")), "y"))
    return Program("graph", "case", tuple(b.statements))


@pytest.mark.parametrize(
    ("inputs", "weights", "message"),
    [
        ({}, {"w": np.ones(3, "f4")}, "input 'x' is missing"),
        (
            {"x": np.ones((3, 2), "f4")},
            {"w": np.ones(3, "f4")},
            "input 'x' is [3, 2] float32, the program takes [2, 3] float32",
        ),
        (
            {"x": np.ones((2, 3))},
            {"w": np.ones(3, "f4")},
            "input 'x' is [2, 3] float64, the program takes [2, 3] float32",
        ),
        ({"x": np.ones((2, 3), "f4")}, {}, "parameter 'w' is missing"),
    ],
)
def test_wrong_data_is_named(
    inputs: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]],
    weights: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]],
    message: str,
) -> None:
    with pytest.raises(EvaluateError) as caught:
        evaluate(program(), inputs, weights)
    assert caught.value.message == message


def test_outputs_are_copies() -> None:
    b = Builder()
    b.effect(Output(b.add(Input("x", (2,), DType.F32)), "y"))
    x = np.ones(2, np.float32)
    evaluate(Program("graph", "case", tuple(b.statements)), {"x": x}, {})["y"][0] = 5
    assert x.tolist() == [1, 1]
