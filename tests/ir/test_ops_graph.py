"""Result types of graph operations, and what each of them refuses."""

from __future__ import annotations

import pytest
from tests.ir.values import value

from waferc_ir.dtypes import DType
from waferc_ir.ops import graph_compute as compute
from waferc_ir.ops import graph_move as move
from waferc_ir.ops import graph_structure as structure
from waferc_ir.ops.declare import Op, VerifyError

F48 = value("tensor<4x8xf32>")
F8 = value("tensor<8xf32>")
H8 = value("tensor<8xf16>")
F1 = value("tensor<4x1xf32>")
F35 = value("tensor<3x5xf32>")
I48 = value("tensor<4x8xi32>")
B48 = value("tensor<4x8xbool>")
SCALAR = value("tensor<f32>")
IMAGE = value("tensor<2x6x8x9xf32>")
HEADS = value("tensor<2x5x4xf32>")
KEYS = value("tensor<2x7x4xf32>")
TILED = value("tiled<4x8xf32 @r0 [*, *]>")

IMAGE_WEIGHT = value("tensor<4x6x3x3xf32>")
DEPTHWISE = value("tensor<12x1x3x2xf32>")
PAIR = (1, 1)
NONE = (0, 0)

GOOD: list[tuple[Op, str]] = [
    (structure.Input("x", (4, 8), DType.I16), "tensor<4x8xi16>"),
    (structure.Parameter("w", (), DType.F16), "tensor<f16>"),
    (structure.Fill(1.0, (2,), DType.BOOL), "tensor<2xbool>"),
    (compute.Unary(F48, "gelu"), "tensor<4x8xf32>"),
    (compute.Unary(I48, "relu"), "tensor<4x8xi32>"),
    (compute.Unary(F48, "logical_not"), "tensor<4x8xbool>"),
    (compute.Binary(F48, F8, "add"), "tensor<4x8xf32>"),
    (compute.Binary(F1, F8, "lt"), "tensor<4x8xbool>"),
    (compute.Binary(B48, B48, "and"), "tensor<4x8xbool>"),
    (compute.BinaryScalar(SCALAR, "pow", 2.0), "tensor<f32>"),
    (compute.BinaryScalar(I48, "ge", 3.0), "tensor<4x8xbool>"),
    (compute.Select(B48, F1, F8), "tensor<4x8xf32>"),
    (compute.Cast(B48, DType.F16), "tensor<4x8xf16>"),
    (compute.Reduce(F48, "mean", (0,)), "tensor<8xf32>"),
    (compute.Reduce(F48, "max", (1, 0), keepdim=True), "tensor<1x1xf32>"),
    (compute.Softmax(F48, 1), "tensor<4x8xf32>"),
    (compute.LayerNorm(F48, F8, F8, 1, 1e-5), "tensor<4x8xf32>"),
    (compute.LayerNorm(F48, F48, None, 2, 0.0), "tensor<4x8xf32>"),
    (compute.RmsNorm(F48, F8, 1, 1e-6), "tensor<4x8xf32>"),
    (compute.MatMul(HEADS, value("tensor<4x3xf32>")), "tensor<2x5x3xf32>"),
    (compute.Linear(F48, value("tensor<3x8xf32>"), value("tensor<3xf32>")), "tensor<4x3xf32>"),
    (compute.Linear(F8, value("tensor<3x8xf32>"), None), "tensor<3xf32>"),
    (compute.Attention(HEADS, KEYS, KEYS, None, True, 0.5), "tensor<2x5x4xf32>"),
    (
        compute.Attention(HEADS, KEYS, KEYS, value("tensor<5x7xbool>"), False, 1.0),
        "tensor<2x5x4xf32>",
    ),
    (compute.Embedding(F48, value("tensor<2x3xi32>")), "tensor<2x3x8xf32>"),
    (compute.Conv2d(IMAGE, IMAGE_WEIGHT, None, (2, 1), PAIR, PAIR, 1), "tensor<2x4x4x9xf32>"),
    (compute.Conv2d(IMAGE, DEPTHWISE, None, PAIR, NONE, (2, 3), 6), "tensor<2x12x4x6xf32>"),
    (compute.Pool2d(IMAGE, "max", (3, 2), (2, 2), (1, 0)), "tensor<2x6x4x4xf32>"),
    (compute.Contract(HEADS, KEYS, "hqd", "hkd", "hqk"), "tensor<2x5x7xf32>"),
    (compute.Contract(F8, F8, "k", "k", ""), "tensor<f32>"),
    (compute.Contract(F8, F8, "a", "b", "ba"), "tensor<8x8xf32>"),
    (compute.Contract(H8, H8, "a", "b", "ba", True), "tensor<8x8xf32>"),
    (compute.CausalMask(HEADS, 2), "tensor<2x5x4xf32>"),
    (move.Reshape(F48, (2, 2, 8)), "tensor<2x2x8xf32>"),
    (move.Reshape(SCALAR, (1, 1)), "tensor<1x1xf32>"),
    (move.Permute(HEADS, (2, 0, 1)), "tensor<4x2x5xf32>"),
    (move.Slice(F48, 1, 1, 8, 3), "tensor<4x3xf32>"),
    (move.Concat((F48, F1, F48), 1), "tensor<4x17xf32>"),
    (move.Expand(F1, (2, 4, 8)), "tensor<2x4x8xf32>"),
    (move.Pad(F48, (1, 0), (0, 3)), "tensor<5x11xf32>"),
]

BAD: list[tuple[Op, str]] = [
    (structure.Input("x", (4, 0), DType.F32), "dimension 1 of shape [4, 0] has extent 0"),
    (structure.Input("", (4,), DType.F32), "the label is empty"),
    (structure.Output(F48, ""), "the label is empty"),
    (structure.Output(TILED, "y"), "x is tiled<4x8xf32 @r0 [*, *]>, not a graph tensor"),
    (structure.Fill(0.5, (2,), DType.I32), "0.5 is no element of type i32"),
    (structure.Fill(float("nan"), (2,), DType.I32), "nan is no element of type i32"),
    (structure.Fill(40000.0, (2,), DType.I16), "40000.0 is outside i16, -32768 to 32767"),
    (structure.Fill(2.0, (2,), DType.BOOL), "2.0 is outside bool, 0 to 1"),
    (compute.Unary(F48, "cube"), "no function is called 'cube'"),
    (compute.Unary(I48, "exp"), "exp takes floating-point elements and gets i32"),
    (compute.Unary(B48, "neg"), "neg of bool elements is not defined"),
    (compute.Unary(TILED, "exp"), "not a graph tensor"),
    (compute.Binary(F48, F35, "add"), "extents 3 and 4 in dimension -2"),
    (compute.Binary(F48, I48, "add"), "lhs has f32 elements and rhs has i32"),
    (compute.Binary(I48, I48, "div"), "div takes floating-point elements"),
    (compute.Binary(B48, B48, "add"), "add of bool elements is not defined"),
    (compute.Binary(F48, F48, "or"), "or takes bool elements and gets f32"),
    (compute.BinaryScalar(B48, "and", 1.0), "and takes no scalar"),
    (compute.BinaryScalar(I48, "add", 1.5), "1.5 is no element of type i32"),
    (compute.Select(F48, F48, F48), "condition has f32 elements, not bool"),
    (compute.Reduce(F48, "sum", ()), "no dimension is given"),
    (compute.Reduce(F48, "sum", (0, 2)), "dimension 2 does not exist in shape [4, 8]"),
    (compute.Reduce(F48, "sum", (-1,)), "dimension -1 does not exist"),
    (compute.Reduce(F48, "sum", (0, 0)), "a dimension occurs twice in [0, 0]"),
    (compute.Reduce(I48, "mean", (0,)), "mean takes floating-point elements"),
    (compute.Reduce(F48, "prod", (0,)), "no function is called 'prod'"),
    (compute.Softmax(I48, 0), "takes floating-point elements and gets i32"),
    (compute.Softmax(F48, 2), "dimension 2 does not exist"),
    (compute.LayerNorm(F48, F1, None, 1, 1e-5), "weight has shape [4, 1], not [8]"),
    (compute.LayerNorm(F48, None, None, 3, 1e-5), "the last 3 dimensions are meant, and x has 2"),
    (compute.LayerNorm(F48, None, None, 1, -1.0), "eps is -1.0"),
    (compute.MatMul(F48, F48), "inner extents 8 of [4, 8] and 4 of [4, 8] differ"),
    (compute.MatMul(F48, F8), "rhs has shape [8], fewer than 2 dimensions"),
    (compute.Linear(F48, F35, None), "x has 8 features in [4, 8] and weight takes 5 in [3, 5]"),
    (compute.Linear(F48, F48, F8), "bias has shape [8], not [4]"),
    (compute.Attention(HEADS, F48, F48, None, False, 1.0), "query is 4 wide and key 8"),
    (compute.Attention(HEADS, KEYS, HEADS, None, False, 1.0), "key has 7 tokens and value 5"),
    (compute.Attention(HEADS, KEYS, KEYS, F8, False, 1.0), "[8] does not broadcast to [2, 5, 7]"),
    (compute.Embedding(F48, F8), "ids are integers, and these have f32 elements"),
    (compute.Embedding(F8, I48), "table has shape [8], 1 dimension, not 2"),
    (compute.Conv2d(IMAGE, IMAGE_WEIGHT, None, PAIR, NONE, PAIR, 4), "4 groups do not divide 6"),
    (compute.Conv2d(IMAGE, DEPTHWISE, None, PAIR, NONE, PAIR, 1), "x has 6 channels and weight"),
    (compute.Conv2d(IMAGE, IMAGE_WEIGHT, None, PAIR, NONE, (4, 1), 1), "a window of 9 is larger"),
    (compute.Conv2d(IMAGE, IMAGE_WEIGHT, None, (1,), NONE, PAIR, 1), "stride has 1 number, not 2"),
    (compute.Conv2d(IMAGE, IMAGE_WEIGHT, None, (0, 1), NONE, PAIR, 1), "less than 1"),
    (compute.Pool2d(IMAGE, "max", (3, 2), PAIR, (2, 0)), "padding 2 is more than half of kernel 3"),
    (compute.Pool2d(IMAGE, "sum", (3, 2), PAIR, NONE), "no function is called 'sum'"),
    (compute.Contract(F8, F8, "k", "k", "", True), "wide sums are of f16, not f32"),
    (compute.Contract(F48, F48, "mk", "kn", "mn"), "'k' has extents 8 and 4"),
    (compute.Contract(F48, F8, "mk", "k", "mx"), "'x' of out_dims is in no operand"),
    (compute.Contract(F48, F8, "mk", "k", ""), "'m' is neither in out_dims nor in both operands"),
    (compute.Contract(F48, F8, "mm", "k", "m"), "lhs_dims 'mm' repeats a letter"),
    (compute.Contract(F48, F8, "m", "k", "m"), "lhs_dims 'm' names 1 of the 2 dimensions"),
    (compute.Contract(F48, F8, "m ", "k", "m"), "has a character that is no letter"),
    (compute.CausalMask(F8), "x has shape [8], fewer than 2 dimensions"),
    (compute.CausalMask(I48), "x has i32 elements, which have no infinity"),
    (move.Reshape(F48, (5, 7)), "[4, 8] has 32 elements and [5, 7] has 35"),
    (move.Reshape(F48, (-4, -8)), "dimension 0 of shape [-4, -8] has extent -4"),
    (move.Permute(F48, (0, 0)), "[0, 0] is no order of the 2 dimensions"),
    (move.Slice(F48, 1, 2, 9), "2 to 9 is no range within dimension 1, extent 8"),
    (move.Slice(F48, 1, 2, 2), "2 to 2 is no range"),
    (move.Slice(F48, 1, 0, 4, 0), "the step is 0"),
    (move.Concat((), 0), "there is nothing to concatenate"),
    (move.Concat((F48, F1), 0), "part 1 has shape [4, 1]"),
    (move.Concat((F48, F8), 0), "part 1 has shape [8]"),
    (move.Concat((F48, I48), 0), "part 0 has f32 elements and part 1 has i32"),
    (move.Expand(F48, (8,)), "shape [4, 8] does not broadcast to [8]"),
    (move.Expand(F48, (4, 9)), "shape [4, 8] does not broadcast to [4, 9]"),
    (move.Pad(F48, (1,), (0, 3)), "1 and 2 paddings are given for 2 dimensions"),
    (move.Pad(F48, (1, -1), (0, 3)), "dimension 1 is padded by -1 and 3"),
]


def _id(given: Op | str) -> str:
    return given if isinstance(given, str) else given.name


@pytest.mark.parametrize(("op", "type"), GOOD, ids=_id)
def test_result_type(op: Op, type: str) -> None:
    op.verify()
    assert str(op.result_type()) == type


@pytest.mark.parametrize(("op", "message"), BAD, ids=_id)
def test_refusal(op: Op, message: str) -> None:
    with pytest.raises(VerifyError) as caught:
        op.verify()
    assert caught.value.message.startswith(f"{op.name}: ")
    assert message in caught.value.message
