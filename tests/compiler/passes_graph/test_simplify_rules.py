"""What each simplification makes of the program that it is for."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from waferc.evaluate.graph import evaluate
from waferc.passes.simplify_graph import SimplifyGraph
from waferc.unit import Unit
from waferc_ir.dtypes import DType
from waferc_ir.machine import machine
from waferc_ir.ops.declare import Op
from waferc_ir.ops.graph_compute import (
    Binary,
    BinaryScalar,
    Cast,
    Contract,
    Reduce,
    Select,
    Unary,
)
from waferc_ir.ops.graph_move import Concat, Expand, Pad, Permute, Reshape, Slice
from waferc_ir.ops.graph_structure import Fill, Input, Output, Parameter
from waferc_ir.program import Builder, Program, Value

Build = Callable[[Builder, Value], tuple[Value, ...]]


def fill(b: Builder, value: float, *shape: int, dtype: DType = DType.F32) -> Value:
    return b.add(Fill(value, shape, dtype))


def chain(*ops: Callable[[Value], Op]) -> Build:
    def build(b: Builder, x: Value) -> tuple[Value, ...]:
        for op in ops:
            x = b.add(op(x))
        return (x,)

    return build


def query_key_value(b: Builder, x: Value) -> tuple[Value, ...]:
    weight = b.add(Parameter("weight", (6, 4), DType.F32))
    bias = b.add(Parameter("bias", (6,), DType.F32))
    product = b.add(Contract(x, weight, "abk", "nk", "abn"))
    total = b.add(Binary(product, bias, "add"))
    return tuple(b.add(Slice(total, 2, start, start + 2)) for start in (0, 2, 4))


def packed(b: Builder, x: Value) -> tuple[Value, ...]:
    weight = b.add(Parameter("weight", (6, 4), DType.F32))
    product = b.add(Contract(x, weight, "abk", "nk", "abn"))
    apart = b.add(Permute(b.add(Reshape(product, (2, 3, 3, 1, 2))), (2, 0, 3, 1, 4)))
    return tuple(b.add(Slice(apart, 0, start, start + 1)) for start in range(3))


def scores(b: Builder, x: Value) -> tuple[Value, ...]:
    turned = b.add(Permute(x, (0, 2, 1)))
    scaled = b.add(BinaryScalar(turned, "mul", 0.5))
    product = b.add(Contract(x, scaled, "amk", "akn", "amn"))
    return (b.add(Permute(product, (2, 0, 1))),)


def merged(b: Builder, x: Value) -> tuple[Value, ...]:
    flat = b.add(Reshape(x, (6, 4)))
    product = b.add(Contract(flat, flat, "ak", "ab", "akb"))
    return (b.add(Reshape(product, (2, 3, 4, 4))),)


def merged_in_one(b: Builder, x: Value) -> tuple[Value, ...]:
    weight = b.add(Parameter("weight", (6, 4), DType.F32))
    product = b.add(Contract(b.add(Reshape(x, (6, 4))), weight, "ak", "nk", "na"))
    return (b.add(Reshape(product, (6, 2, 3))),)


def merged_apart(b: Builder, x: Value) -> tuple[Value, ...]:
    weight = b.add(Parameter("weight", (6, 4), DType.F32))
    return (b.add(Contract(b.add(Reshape(x, (6, 4))), weight, "ak", "ab", "kb")),)


def masked(b: Builder, x: Value) -> tuple[Value, ...]:
    square = b.add(Contract(x, x, "amk", "ank", "amn"))
    triangle = b.add(Parameter("triangle", (3, 3), DType.BOOL))
    return (b.add(Select(triangle, square, fill(b, -math.inf, 1, 1, 1))),)


def masked_by_sum(b: Builder, x: Value) -> tuple[Value, ...]:
    square = b.add(Contract(x, x, "amk", "ank", "amn"))
    return (b.add(Binary(square, b.add(Parameter("infinite", (1, 3, 3), DType.F32)), "add")),)


WEIGHTS = {
    "weight": np.arange(24, dtype=np.float32).reshape(6, 4),
    "bias": np.arange(6, dtype=np.float32),
    "triangle": np.tril(np.ones((3, 3), np.bool_)),
    "infinite": np.triu(np.full((1, 3, 3), -np.inf, np.float32), 1),
}
WEIGHTS["infinite"][~np.isneginf(WEIGHTS["infinite"])] = 0

# name: (program on x [2, 3, 4], operations that are left)
CASES: dict[str, tuple[Build, str]] = {
    "reshape_back": (chain(lambda x: Reshape(x, (6, 4)), lambda x: Reshape(x, (2, 3, 4))), ""),
    "reshapes": (chain(lambda x: Reshape(x, (6, 4)), lambda x: Reshape(x, (24,))), "reshape"),
    "permute_back": (
        chain(lambda x: Permute(x, (2, 0, 1)), lambda x: Permute(x, (1, 2, 0))), "",
    ),
    "permutes": (
        chain(lambda x: Permute(x, (2, 0, 1)), lambda x: Permute(x, (2, 1, 0))), "permute",
    ),
    "permute_of_ones": (
        chain(lambda x: Slice(x, 1, 1, 2), lambda x: Permute(x, (1, 0, 2))), "slice reshape",
    ),
    "slice_all": (chain(lambda x: Slice(x, 1, 0, 3)), ""),
    "slices": (
        chain(lambda x: Slice(x, 2, 0, 4, 2), lambda x: Slice(x, 2, 1, 2)), "slice",
    ),
    "expand_nothing": (chain(lambda x: Expand(x, (2, 3, 4))), ""),
    "expands": (
        chain(lambda x: Expand(x, (1, 2, 3, 4)), lambda x: Expand(x, (5, 2, 3, 4))), "expand",
    ),
    "concat_one": (chain(lambda x: Concat((x,), 1)), ""),
    "concats": (
        chain(lambda x: Concat((x, x), 1), lambda x: Concat((x,), 1)), "concat",
    ),
    "pad_nothing": (chain(lambda x: Pad(x, (0, 0, 0), (0, 0, 0))), ""),
    "pads": (
        chain(lambda x: Pad(x, (1, 0, 0), (0, 0, 0)), lambda x: Pad(x, (0, 0, 2), (0, 1, 0))),
        "pad",
    ),
    "pads_of_two_values": (
        chain(lambda x: Pad(x, (1, 0, 0), (0, 0, 0)), lambda x: Pad(x, (1, 0, 0), (0, 0, 0), 2.0)),
        "pad pad",
    ),
    "reduce_of_one": (
        chain(lambda x: Slice(x, 1, 0, 1), lambda x: Reduce(x, "sum", (1,), keepdim=True)),
        "slice",
    ),
    "neg_neg": (chain(lambda x: Unary(x, "neg"), lambda x: Unary(x, "neg")), ""),
    "cast_to_same": (chain(lambda x: Cast(x, DType.F32)), ""),
    "cast_down_and_up": (
        chain(lambda x: Cast(x, DType.F16), lambda x: Cast(x, DType.F32)), "cast cast",
    ),
    "times_one": (chain(lambda x: BinaryScalar(x, "mul", 1.0)), ""),
    "plus_zero": (chain(lambda x: BinaryScalar(x, "add", 0.0, reverse=True)), ""),
    "zero_minus": (chain(lambda x: BinaryScalar(x, "sub", 0.0, reverse=True)), "binary_scalar"),
    "by_four": (chain(lambda x: BinaryScalar(x, "div", 4.0)), "binary_scalar"),
    "two_scales": (
        chain(lambda x: BinaryScalar(x, "mul", 0.5), lambda x: BinaryScalar(x, "mul", 0.25)),
        "binary_scalar",
    ),
    "two_uneven_scales": (
        chain(lambda x: BinaryScalar(x, "mul", 0.3), lambda x: BinaryScalar(x, "mul", 0.7)),
        "binary_scalar binary_scalar",
    ),
    "plus_fill": (lambda b, x: (b.add(Binary(x, fill(b, 2.0, 3, 1), "add")),), "binary_scalar"),
    "fill_minus": (lambda b, x: (b.add(Binary(fill(b, 2.0), x, "sub")),), "binary_scalar"),
    "plus_wide_fill": (
        lambda b, x: (b.add(Binary(x, fill(b, 2.0, 5, 1, 1, 1), "add")),), "fill binary",
    ),
    "plus_expanded": (
        lambda b, x: (
            b.add(Binary(x, b.add(Expand(b.add(Slice(x, 1, 0, 1)), (2, 3, 4))), "add")),
        ),
        "slice binary",
    ),
    "select_always": (
        lambda b, x: (
            b.add(Select(fill(b, 1.0, 1, dtype=DType.BOOL), x, fill(b, 0.0, 1))),
        ),
        "",
    ),
    "query_key_value": (
        query_key_value,
        "parameter parameter slice contract slice binary slice contract slice binary"
        " slice contract slice binary",
    ),
    "packed": (
        packed,
        "parameter slice contract reshape slice contract reshape slice contract reshape",
    ),
    "scores": (scores, "binary_scalar contract"),
    "merged": (merged, "contract"),
    "merged_in_one": (merged_in_one, "parameter contract"),
    "merged_apart": (merged_apart, "parameter reshape contract"),
    "masked": (masked, "contract causal_mask"),
    "masked_by_sum": (masked_by_sum, "contract causal_mask"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_rule_leaves_what_it_should(case: str) -> None:
    build, expected = CASES[case]
    b = Builder()
    results = build(b, b.add(Input("x", (2, 3, 4), DType.F32)))
    for number, result in enumerate(results):
        b.effect(Output(result, f"y{number}"))
    unit = Unit(Program("graph", "case", tuple(b.statements)), WEIGHTS, machine("wse3"))
    after = SimplifyGraph().run(unit)
    names = [s.op.name.removeprefix("graph.") for s in after.program.statements]
    assert " ".join(n for n in names if n not in ("input", "output")) == expected
    inputs = {"x": np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 7 - 1}
    before_values = evaluate(unit.program, inputs, WEIGHTS)
    for label, value in evaluate(after.program, inputs, WEIGHTS).items():
        np.testing.assert_allclose(value, before_values[label], rtol=1e-6)


def test_a_contraction_read_twice_is_not_repeated() -> None:
    b = Builder()
    x = b.add(Input("x", (2, 3), DType.F32))
    product = b.add(Contract(x, x, "ak", "bk", "ab"))
    b.effect(Output(product, "y"))
    b.effect(Output(b.add(Permute(product, (1, 0))), "turned"))
    unit = Unit(Program("graph", "case", tuple(b.statements)), {}, machine("wse3"))
    names = [s.op.name for s in SimplifyGraph().run(unit).program.statements]
    assert names.count("graph.contract") == 1
    assert names.count("graph.permute") == 1


def test_overlapping_slices_do_not_repeat_work() -> None:
    b = Builder()
    x = b.add(Input("x", (4, 6), DType.F32))
    y = b.add(Unary(x, "exp"))
    b.effect(Output(b.add(Slice(y, 1, 0, 4)), "left"))
    b.effect(Output(b.add(Slice(y, 1, 2, 6)), "right"))
    unit = Unit(Program("graph", "case", tuple(b.statements)), {}, machine("wse3"))
    names = [s.op.name for s in SimplifyGraph().run(unit).program.statements]
    assert names.count("graph.unary") == 1
