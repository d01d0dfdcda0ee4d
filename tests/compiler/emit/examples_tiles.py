"""One small program per kernel family, for golden files."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tests.compiler.emit.strategies_tiles import Case

from waferc.unit import Unit
from waferc_ir.diagnostics import Location
from waferc_ir.dtypes import DType
from waferc_ir.ops import collective, stream, tile_compute, tile_move
from waferc_ir.program import Value
from waferc_ir.types import Layout, Region, Split

WHOLE = Layout((None, None))


def _case(width: int = 2, height: int = 2, dtype: DType = DType.F32) -> Case:
    case = Case(Region("r0", width, height, 0, 0, (0, 1, 2, 3, 4, 5)), dtype)
    case.builder.at = Location("/home/user/model.py", 41)
    return case


def _zeros(case: Case, shape: tuple[int, ...], layout: Layout = WHOLE) -> Value:
    return case.input(np.zeros(shape, case.dtype.numpy), layout)


def elementwise() -> Case:
    """One DSD operation, a broadcast, a function by `@map`, in f16."""
    case = _case(dtype=DType.F16)
    x, y = _zeros(case, (6, 4)), _zeros(case, (4,), Layout((None,)))
    total = case.add(tile_compute.Binary(x, y, "add"))
    case.output(case.add(tile_compute.Unary(total, "gelu")))
    return case


def contract() -> Case:
    """A matrix product whose summed dimension is split along x, and one with short vectors."""
    case = _case(3, 2)
    x = _zeros(case, (8, 12), Layout((Split("y", 4), Split("x", 4))))
    w = _zeros(case, (12, 96), Layout((Split("x", 4), None)))
    product = case.add(tile_compute.Contract(x, w, "mk", "kn", "mn"))
    case.output(case.finish(product))
    few = case.add(tile_compute.Contract(x, x, "mk", "mk", "m"))
    case.output(case.finish(few), "few")
    return case


def reduce() -> Case:
    """Sum of rows, maximum of columns."""
    case = _case(1, 1)
    x = _zeros(case, (4, 32))
    case.output(case.add(tile_compute.Reduce(x, "sum", (1,))), "rows")
    case.output(case.add(tile_compute.Reduce(x, "max", (0,))), "columns")
    return case


def window() -> Case:
    """Convolution and pooling."""
    case = _case(1, 1)
    x = _zeros(case, (2, 3, 6, 6), Layout((None,) * 4))
    w = _zeros(case, (4, 3, 3, 3), Layout((None,) * 4))
    y = case.add(tile_compute.Conv2d(x, w, (1, 1), (0, 0), (1, 1), 1))
    case.output(case.add(tile_compute.Pool2d(y, "max", (2, 2), (2, 2), (0, 0))))
    return case


def position() -> Case:
    """A causal mask, padding, and rows gathered by index."""
    case = _case(2, 2)
    scores = _zeros(case, (2, 7, 6), Layout((None, Split("y", 4), Split("x", 3))))
    masked = case.add(tile_compute.CausalMask(scores))
    case.output(case.add(tile_compute.MaskPadding(masked, 0.0)), "scores")
    table = _zeros(case, (10, 4), Layout((Split("x", 5), None)))
    ids = case.input(np.zeros((3,), np.int32), Layout((None,)))
    case.output(case.finish(case.add(tile_compute.GatherRows(table, ids))), "rows")
    return case


def move() -> Case:
    """Views copied: permutation, slice, concatenation, padding, broadcast."""
    case = _case(1, 1)
    x = _zeros(case, (4, 3, 2), Layout((None,) * 3))
    turned = case.add(tile_move.Permute(x, (2, 0, 1)))
    part = case.add(tile_move.Slice(turned, 1, 1, 4, 2))
    joined = case.add(tile_move.Concat((part, part), 0))
    padded = case.add(tile_move.Pad(joined, (0, 1, 0), (0, 1, 0)))
    case.output(case.add(tile_move.Expand(padded, (2, *(4, 4, 3)))))
    return case


def collectives() -> Case:
    """All-gather with padding and the way back, along a line of four."""
    case = _case(4, 1)
    x = _zeros(case, (10, 4), Layout((Split("x", 3), None)))
    whole = case.add(collective.AllGather(x, "x"))
    case.output(case.add(tile_move.Shard(whole, 0, "x", 3)))
    return case


def streams() -> Case:
    """A tile passed on from a region of two rows to one of three columns."""
    case = _case(1, 2)
    case.others = (Region("r1", 3, 2),)
    x = _zeros(case, (4, 4))
    case.output(case.add(stream.Transfer(x, "r1")))
    return case


EXAMPLES: dict[str, Callable[[], Case]] = {
    "elementwise": elementwise,
    "contract": contract,
    "reduce": reduce,
    "window": window,
    "position": position,
    "move": move,
    "collectives": collectives,
    "streams": streams,
}


def example(name: str, target: str = "wse3") -> Unit:
    """A program by its family."""
    return EXAMPLES[name]().unit(target)
