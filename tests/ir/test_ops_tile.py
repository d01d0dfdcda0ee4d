"""Result types and layouts of tiled operations, and what each of them refuses."""

from __future__ import annotations

import pytest
from tests.ir.values import layout, tile, value

from waferc_ir.dtypes import DType
from waferc_ir.ops import collective, stream
from waferc_ir.ops import tile_compute as compute
from waferc_ir.ops import tile_move as move
from waferc_ir.ops import tile_structure as structure
from waferc_ir.ops.declare import Op, VerifyError

WHOLE = tile("[*, *]")
COLUMNS = tile("[*, x/2]")
BOTH = tile("[y/2, x/2]")
PARTIAL = tile("[*, *] sum(x)")
PARTIAL_BOTH = tile("[*, *] max(x) max(y)")
ROW = tile("[*]", "8xf32")
ROW_SPLIT = tile("[x/2]", "8xf32")
STRETCHED = tile("[y/2, *]", "4x1xf32")
MASK = tile("[*, x/2]", "4x8xbool")
IDS = tile("[y/2, *]", "4x6xi32")
ELSEWHERE = value("tiled<4x8xf32 @r1 [*, *]>")
TENSOR = value("tensor<4x8xf32>")
IMAGE = tile("[y/1, x/3, *, *]", "2x6x8x9xf32")
WEIGHT = tile("[*, x/3, *, *]", "4x6x3x3xf32")
PAIR = (1, 1)
NONE = (0, 0)

VISITING = tile("[x/3+5, y/2]", "7x6xf16")
STAYING = tile("[y/2, x/2]", "6x9xf16")

GOOD: list[tuple[Op, str]] = [
    (structure.Input("x", (4, 8), DType.F32, "r0", layout("[*, x/2]")), "4x8xf32 @r0 [*, x/2]"),
    (structure.State("x", (), DType.F16, "r0", layout("[]")), "f16 @r0 []"),
    (structure.State("x", (4,), DType.F16, "r0", layout("[x/2]"), True, (0,)), "4xf16 @r0 [x/2]"),
    (structure.Fill(1.0, (4,), DType.I32, "r0", layout("[y/2]")), "4xi32 @r0 [y/2]"),
    (compute.Unary(COLUMNS, "exp"), "4x8xf32 @r0 [*, x/2]"),
    (compute.Binary(COLUMNS, ROW_SPLIT, "add"), "4x8xf32 @r0 [*, x/2]"),
    (compute.Binary(ROW_SPLIT, COLUMNS, "lt"), "4x8xbool @r0 [*, x/2]"),
    (compute.Binary(STRETCHED, ROW_SPLIT, "mul"), "4x8xf32 @r0 [y/2, x/2]"),
    (compute.BinaryScalar(BOTH, "max", 0.0), "4x8xf32 @r0 [y/2, x/2]"),
    (compute.Select(MASK, COLUMNS, ROW_SPLIT), "4x8xf32 @r0 [*, x/2]"),
    (compute.Cast(IDS, DType.F32), "4x6xf32 @r0 [y/2, *]"),
    (compute.Reduce(BOTH, "sum", (1,)), "4x1xf32 @r0 [y/2, *] sum(x)"),
    (compute.Reduce(BOTH, "max", (1, 0)), "1x1xf32 @r0 [*, *] max(x) max(y)"),
    (compute.Reduce(COLUMNS, "min", (0,)), "1x8xf32 @r0 [*, x/2]"),
    (
        compute.Contract(BOTH, tile("[*, x/2]", "5x8xf32"), "mk", "nk", "mn"),
        "4x5xf32 @r0 [y/2, *] sum(x)",
    ),
    (
        compute.Contract(tile("[y/2, *]"), tile("[x/3, *]", "5x8xf32"), "mk", "nk", "nm"),
        "5x4xf32 @r0 [x/3, y/2]",
    ),
    (compute.CausalMask(BOTH, 1), "4x8xf32 @r0 [y/2, x/2]"),
    (compute.MaskPadding(BOTH, float("-inf")), "4x8xf32 @r0 [y/2, x/2]"),
    (
        compute.GatherRows(tile("[x/2, *]", "9x5xf32"), IDS),
        "4x6x5xf32 @r0 [y/2, *, *] sum(x)",
    ),
    (compute.GatherRows(tile("[*, x/2]", "9x5xf32"), IDS), "4x6x5xf32 @r0 [y/2, *, x/2]"),
    (
        compute.Conv2d(IMAGE, WEIGHT, PAIR, NONE, PAIR, 1),
        "2x4x6x7xf32 @r0 [y/1, *, *, *] sum(x)",
    ),
    (compute.Pool2d(IMAGE, "mean", (2, 3), (2, 3), NONE), "2x6x4x3xf32 @r0 [y/1, x/3, *, *]"),
    (move.Reshape(tile("[y/1, *]"), (4, 2, 4)), "4x2x4xf32 @r0 [y/1, *, *]"),
    (move.Permute(BOTH, (1, 0)), "8x4xf32 @r0 [x/2, y/2]"),
    (move.Slice(COLUMNS, 0, 1, 3), "2x8xf32 @r0 [*, x/2]"),
    (move.Concat((COLUMNS, COLUMNS), 0), "8x8xf32 @r0 [*, x/2]"),
    (move.Expand(STRETCHED, (3, 4, 8)), "3x4x8xf32 @r0 [*, y/2, *]"),
    (move.Pad(COLUMNS, (1, 0), (2, 0)), "7x8xf32 @r0 [*, x/2]"),
    (move.Shard(COLUMNS, 0, "y", 3), "4x8xf32 @r0 [y/3, x/2]"),
    (collective.AllReduce(PARTIAL, "x"), "4x8xf32 @r0 [*, *]"),
    (collective.AllReduce(PARTIAL_BOTH, "x"), "4x8xf32 @r0 [*, *] max(y)"),
    (collective.AllGather(BOTH, "x"), "4x8xf32 @r0 [y/2, *]"),
    (
        collective.Multiply(VISITING, STAYING, "mk", "kn", "mn", 3, wide=True),
        "7x9xf32 @r0 [y/3+3, x/2]",
    ),
    (
        collective.Multiply(VISITING, tile("[x/2, y/2]", "9x6xf16"), "mk", "nk", "nm", 4),
        "9x7xf16 @r0 [x/2, y/3+4]",
    ),
    (stream.Transfer(tile("[y/2, *]"), "r1"), "4x8xf32 @r1 [y/2, *]"),
]

BAD: list[tuple[Op, str]] = [
    (structure.Input("x", (4,), DType.F32, "r0", layout("[*, *]")), "has 2 dimensions and the"),
    (structure.Input("x", (4, 4), DType.F32, "r0", layout("[x/1, x/1]")), "axis x splits dim"),
    (structure.Input("x", (4,), DType.F32, "r0", layout("[x/0]")), "has 0 elements"),
    (structure.State("x", (4,), DType.F32, "r0", layout("[*] sum(x)")), "[*] sum(x) is partial"),
    (
        structure.State("x", (4,), DType.F32, "r0", layout("[*]"), True, (1,)),
        "spread [1] are no dimensions of [4], ascending",
    ),
    (structure.Output(PARTIAL, "y"), "x is partial, [*, *] sum(x)"),
    (structure.Output(TENSOR, "y"), "x is tensor<4x8xf32>, not a tiled tensor"),
    (compute.Unary(tile("[x/1, *] sum(x)"), "exp"), "axis x splits dimension 0 and is partial"),
    (compute.Unary(tile("[*, *] sum(y) sum(x)"), "exp"), "not in the order x, y"),
    (compute.Unary(tile("[*, *] sum(x) max(y)"), "exp"), "different functions"),
    (compute.Unary(PARTIAL, "neg"), "x is partial, [*, *] sum(x); collective.all_reduce"),
    (compute.Binary(COLUMNS, WHOLE, "add"), "dimension -1 is split x/2 in lhs and whole in rhs"),
    (compute.Binary(COLUMNS, tile("[*, x/4]"), "add"), "split x/2 in lhs and split x/4 in rhs"),
    (compute.Binary(WHOLE, ELSEWHERE, "add"), "lhs is in region @r0 and rhs in @r1"),
    (compute.Binary(tile("[x/1, *]", "4x1xf32"), ROW_SPLIT, "add"), "axis x splits dimensions 0"),
    (compute.Binary(tile("[*, x/1]", "4x1xf32"), WHOLE, "add"), "is stretched from 1 to 8"),
    (compute.Select(COLUMNS, COLUMNS, COLUMNS), "condition has f32 elements, not bool"),
    (compute.Reduce(BOTH, "mean", (1,)), "no function is called 'mean'; known: sum, max, min"),
    (compute.Contract(BOTH, tile("[*, *]", "5x8xf32"), "mk", "nk", "mn"), "'k' is split x/2 in"),
    (
        compute.Contract(tile("[x/1, *]"), tile("[x/2, *]", "5x8xf32"), "mk", "nk", "mn"),
        "axis x splits dimensions 0 and 1",
    ),
    (
        compute.GatherRows(tile("[y/2, *]", "9x5xf32"), IDS),
        "axis y splits dimension 0 and is partial",
    ),
    (compute.GatherRows(tile("[*, y/2]", "9x5xf32"), IDS), "axis y splits dimensions 0 and 2"),
    (compute.Conv2d(IMAGE, tile("[*, *, *, *]", "4x6x3x3xf32"), PAIR, NONE, PAIR, 1), "in weight"),
    (
        compute.Conv2d(tile("[*, *, x/4, *]", "2x6x8x9xf32"), WEIGHT, PAIR, NONE, PAIR, 1),
        "dimension 2 of x is split x/4, not whole",
    ),
    (
        compute.Conv2d(IMAGE, tile("[*, *, *, *]", "6x1x3x3xf32"), PAIR, NONE, PAIR, 6),
        "dimension 1 of x is split x/3, not whole",
    ),
    (compute.Pool2d(tile("[*, *, x/4, *]", "2x6x8x9xf32"), "max", PAIR, PAIR, NONE), "not whole"),
    (move.Reshape(COLUMNS, (32,)), "layout [*, x/2] would move elements between PEs"),
    (move.Slice(COLUMNS, 1, 0, 4), "dimension 1 of x is split x/2, not whole"),
    (move.Concat((COLUMNS, COLUMNS), 1), "dimension 1 of part 0 is split x/2, not whole"),
    (move.Concat((COLUMNS, WHOLE), 0), "part 1 has layout [*, *] and part 0 has [*, x/2]"),
    (move.Concat((), 0), "there is nothing to concatenate"),
    (move.Expand(tile("[y/1, *]", "1x8xf32"), (4, 8)), "dimension 0 of x is split y/1, not whole"),
    (move.Pad(COLUMNS, (0, 1), (0, 0)), "dimension 1 of x is split x/2, not whole"),
    (move.Shard(COLUMNS, 0, "x", 2), "axis x splits dimensions 0 and 1"),
    (move.Shard(COLUMNS, 1, "y", 2), "dimension 1 of x is split x/2, not whole"),
    (move.Shard(WHOLE, 0, "x", 0), "has 0 elements"),
    (collective.AllReduce(PARTIAL, "y"), "x is not partial along y: [*, *] sum(x)"),
    (collective.AllGather(COLUMNS, "y"), "axis y splits no dimension of x: [*, x/2]"),
    (collective.AllGather(PARTIAL, "x"), "x is partial"),
    (
        collective.Multiply(VISITING, STAYING, "mk", "kn", "mn", 2),
        "rows from PE 2 along y, and 3 PEs hold k",
    ),
    (
        collective.Multiply(tile("[x/3+5, *]", "7x6xf16"), STAYING, "mk", "kn", "mn", 3),
        "there is not one split letter of a sum: []",
    ),
    (compute.Unary(VISITING, "neg"), "x does not begin at PE 0: [x/3+5, y/2]"),
    (stream.Transfer(COLUMNS, "r1"), "layout [*, x/2] splits a dimension along x"),
    (stream.Transfer(WHOLE, "r0"), "x is in region @r0 already"),
]


def _id(given: Op | str) -> str:
    return given if isinstance(given, str) else given.name


@pytest.mark.parametrize(("op", "type"), GOOD, ids=_id)
def test_result_type(op: Op, type: str) -> None:
    op.verify()
    assert str(op.result_type()) == f"tiled<{type}>"


@pytest.mark.parametrize(("op", "message"), BAD, ids=_id)
def test_refusal(op: Op, message: str) -> None:
    with pytest.raises(VerifyError) as caught:
        op.verify()
    assert caught.value.message.startswith(f"{op.name}: ")
    assert message in caught.value.message


@pytest.mark.parametrize(
    "op",
    [
        compute.Unary(PARTIAL, "neg"),
        compute.Binary(WHOLE, PARTIAL, "add"),
        compute.BinaryScalar(PARTIAL, "mul", 2.0),
        compute.Cast(PARTIAL, DType.F16),
        compute.Reduce(PARTIAL, "sum", (0,)),
        compute.Contract(PARTIAL, WHOLE, "mk", "nk", "mn"),
        compute.CausalMask(PARTIAL),
        compute.MaskPadding(PARTIAL, 0.0),
        compute.GatherRows(PARTIAL, IDS),
        move.Reshape(PARTIAL, (32,)),
        move.Permute(PARTIAL, (1, 0)),
        move.Slice(PARTIAL, 0, 0, 1),
        move.Concat((WHOLE, PARTIAL), 0),
        move.Expand(PARTIAL, (2, 4, 8)),
        move.Pad(PARTIAL, (0, 0), (1, 0)),
        move.Shard(PARTIAL, 0, "y", 2),
        stream.Transfer(PARTIAL, "r1"),
    ],
    ids=_id,
)
def test_no_operation_but_all_reduce_takes_partial_operands(op: Op) -> None:
    with pytest.raises(VerifyError, match="is partial"):
        op.verify()
