"""Tiled programs that verify: layouts, collectives, streams, and placed regions with buffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from hypothesis import strategies as st
from tests.ir.strategies_graph import NAMES, NUMBERS, PLACES, Shape, shapes

from waferc_ir.dtypes import DType
from waferc_ir.ops import collective, stream
from waferc_ir.ops import tile_compute as compute
from waferc_ir.ops import tile_move as move
from waferc_ir.ops import tile_structure as structure
from waferc_ir.ops.declare import Op
from waferc_ir.ops.functions import ARITHMETIC, COMPARE
from waferc_ir.ops.layouts import reshape_layout
from waferc_ir.printer import value_numbers
from waferc_ir.program import Builder, Program, Value
from waferc_ir.types import AXES, Axis, Buffer, Layout, Path, Region, Split, TiledType

FLOATS = (DType.F32, DType.F16)
UNARY = ("neg", "exp", "tanh", "relu", "gelu", "sigmoid", "reciprocal")


class GrowingTiled:
    """A tiled program that grows, and ways to pick from its values or to add states to it."""

    def __init__(self, draw: st.DrawFn, regions: Sequence[Region]) -> None:
        self.draw = draw
        self.regions = {region.name: region for region in regions}
        self.builder = Builder()
        self.values: list[Value] = []
        self.labels = 0

    def label(self) -> str:
        self.labels += 1
        return f"{self.draw(NAMES)}{self.labels}"

    def add(self, op: Op) -> Value:
        """Append an operation; a partial result is finished by all-reduces at once."""
        value = self.builder.add(op, self.draw(PLACES))
        assert isinstance(value.type, TiledType)
        for partial in self.draw(st.permutations(value.type.layout.partial)):
            value = self.builder.add(collective.AllReduce(value, partial.axis))
        self.values.append(value)
        return value

    def split(self, region: Region, axis: Axis, extent: int) -> Split:
        """A split that covers `extent`, now and then with larger blocks than needed."""
        least = -(-extent // region.extent(axis))
        return Split(axis, least + self.draw(st.sampled_from((0, 0, 0, 1))))

    def layout(self, region: Region, shape: Shape) -> Layout:
        splits: list[Split | None] = [None] * len(shape)
        for axis in AXES:
            free = [dim for dim, split in enumerate(splits) if split is None]
            if free and self.draw(st.booleans()):
                dim = self.draw(st.sampled_from(free))
                splits[dim] = self.split(region, axis, shape[dim])
        return Layout(tuple(splits))

    def state(self, shape: Shape, dtype: DType, region: str, layout: Layout) -> Value:
        return self.add(structure.State(self.label(), shape, dtype, region, layout))

    def pick(
        self, dtypes: Sequence[DType] = FLOATS, min_rank: int = 0, max_rank: int = 9
    ) -> tuple[Value, TiledType]:
        """A value of one of `dtypes` with so many dimensions; a state if there is none."""
        suitable = [
            value
            for value in self.values
            if isinstance(value.type, TiledType)
            and value.type.dtype in dtypes
            and min_rank <= value.type.rank <= max_rank
        ]
        if not suitable:
            shape = self.draw(shapes(min_rank, min(max_rank, max(min_rank, 4))))
            region = self.draw(st.sampled_from(list(self.regions.values())))
            layout = self.layout(region, shape)
            suitable = [self.state(shape, dtypes[0], region.name, layout)]
        value = self.draw(st.sampled_from(suitable))
        assert isinstance(value.type, TiledType)
        return value, value.type

    def broadcastable(self, type: TiledType, dtype: DType) -> Value:
        """A state whose shape and layout broadcast with `type`'s."""
        ones = self.draw(st.lists(st.booleans(), min_size=type.rank, max_size=type.rank))
        start = self.draw(st.integers(0, type.rank))
        shape = tuple(1 if one else extent for one, extent in zip(ones, type.shape, strict=True))
        splits = tuple(
            None if new != old else split
            for new, old, split in zip(shape, type.shape, type.layout.splits, strict=True)
        )
        return self.state(shape[start:], dtype, type.region, Layout(splits[start:]))

    def whole_dims(self, type: TiledType) -> list[int]:
        return [dim for dim, split in enumerate(type.layout.splits) if split is None]

    def free_axes(self, type: TiledType) -> list[Axis]:
        return [axis for axis in AXES if type.layout.split_of(axis) is None]


def _unary(g: GrowingTiled) -> Op:
    return compute.Unary(g.pick()[0], g.draw(st.sampled_from(UNARY)))


def _binary(g: GrowingTiled) -> Op:
    x, type = g.pick()
    fn = g.draw(st.sampled_from((*ARITHMETIC, *COMPARE)))
    operands = [x, g.broadcastable(type, type.dtype)]
    lhs, rhs = g.draw(st.permutations(operands))
    return compute.Binary(lhs, rhs, fn)


def _binary_scalar(g: GrowingTiled) -> Op:
    fn = g.draw(st.sampled_from(ARITHMETIC))
    return compute.BinaryScalar(g.pick()[0], fn, g.draw(NUMBERS), reverse=g.draw(st.booleans()))


def _select(g: GrowingTiled) -> Op:
    x, type = g.pick()
    return compute.Select(g.broadcastable(type, DType.BOOL), x, g.broadcastable(type, type.dtype))


def _cast(g: GrowingTiled) -> Op:
    return compute.Cast(g.pick(tuple(DType))[0], g.draw(st.sampled_from(DType)))


def _reduce(g: GrowingTiled) -> Op:
    x, type = g.pick(min_rank=1)
    dims = g.draw(st.sets(st.integers(0, type.rank - 1), min_size=1))
    fn = g.draw(st.sampled_from(["sum", "max", "min"]))
    return compute.Reduce(x, fn, tuple(sorted(dims)))


def _contract(g: GrowingTiled) -> Op:
    x, type = g.pick(min_rank=1, max_rank=3)
    letters = "abc"[: type.rank]
    extents = dict(zip(letters, type.shape, strict=True)) | {"n": 5}
    splits = dict(zip(letters, type.layout.splits, strict=True))
    free = g.free_axes(type)
    splits["n"] = (
        g.split(g.regions[type.region], g.draw(st.sampled_from(free)), 5) if free else None
    )
    summed = g.draw(st.sets(st.sampled_from(letters), min_size=1))
    rhs = "".join(sorted(summed)) + "n"
    out = "".join(g.draw(st.permutations(sorted({*letters, "n"} - summed))))
    layout = Layout(tuple(splits[letter] for letter in rhs))
    shape = tuple(extents[letter] for letter in rhs)
    other = g.state(shape, type.dtype, type.region, layout)
    wide = type.dtype is DType.F16 and g.draw(st.booleans())
    return compute.Contract(x, other, letters, rhs, out, wide)


def _causal_mask(g: GrowingTiled) -> Op:
    return compute.CausalMask(g.pick(min_rank=2)[0], g.draw(st.integers(-2, 2)))


def _mask_padding(g: GrowingTiled) -> Op:
    return compute.MaskPadding(g.pick()[0], g.draw(NUMBERS))


def _gather_rows(g: GrowingTiled) -> Op:
    ids, type = g.pick((DType.I32, DType.I16), max_rank=2)
    region = g.regions[type.region]
    splits: list[Split | None] = [None, None]
    for axis in g.free_axes(type):
        free = [dim for dim in (0, 1) if splits[dim] is None]
        if free and g.draw(st.booleans()):
            dim = g.draw(st.sampled_from(free))
            splits[dim] = g.split(region, axis, (7, 3)[dim])
    table = g.state((7, 3), DType.F32, type.region, Layout(tuple(splits)))
    return compute.GatherRows(table, ids)


def _image(g: GrowingTiled) -> tuple[Value, TiledType]:
    """A value `[n, c, h, w]` with whole spatial dimensions."""
    region = g.draw(st.sampled_from(list(g.regions.values())))
    shape = g.draw(st.tuples(*[st.integers(1, 4)] * 4))
    layout = Layout((*g.layout(region, shape[:2]).splits, None, None))
    value = g.state(shape, DType.F32, region.name, layout)
    assert isinstance(value.type, TiledType)
    return value, value.type


def _conv2d(g: GrowingTiled) -> Op:
    x, type = _image(g)
    channels = type.layout.splits[1]
    free = g.free_axes(type)
    out = g.split(g.regions[type.region], free[0], 3) if free else None
    shape = (3, type.shape[1], 1, 2 if type.shape[3] > 1 else 1)
    weight = g.state(shape, type.dtype, type.region, Layout((out, channels, None, None)))
    return compute.Conv2d(x, weight, (1, 2), (0, 0), (1, 1), 1)


def _pool2d(g: GrowingTiled) -> Op:
    x, type = _image(g)
    kernel = (g.draw(st.integers(1, type.shape[2])), g.draw(st.integers(1, type.shape[3])))
    return compute.Pool2d(x, g.draw(st.sampled_from(["max", "mean"])), kernel, kernel, (0, 0))


def _reshape(g: GrowingTiled) -> Op:
    x, type = g.pick()
    count = 1
    for extent in type.shape:
        count *= extent
    halves = (2, count // 2) if count % 2 == 0 else (1, count)
    candidates = [(count,), halves, (1, *type.shape), type.shape]
    possible = [s for s in candidates if reshape_layout(type.shape, s, type.layout) is not None]
    return move.Reshape(x, g.draw(st.sampled_from(possible)))


def _permute(g: GrowingTiled) -> Op:
    x, type = g.pick()
    return move.Permute(x, tuple(g.draw(st.permutations(range(type.rank)))))


def _slice(g: GrowingTiled) -> Op:
    x, type = g.pick(min_rank=1)
    whole = g.whole_dims(type)
    if not whole:
        return compute.Unary(x, "abs")
    dim = g.draw(st.sampled_from(whole))
    start = g.draw(st.integers(0, type.shape[dim] - 1))
    return move.Slice(x, dim, start, type.shape[dim], g.draw(st.integers(1, 2)))


def _concat(g: GrowingTiled) -> Op:
    x, type = g.pick(min_rank=1)
    whole = g.whole_dims(type)
    if not whole:
        return compute.Unary(x, "neg")
    dim = g.draw(st.sampled_from(whole))
    shape = (*type.shape[:dim], 2, *type.shape[dim + 1 :])
    return move.Concat((x, g.state(shape, type.dtype, type.region, type.layout)), dim)


def _expand(g: GrowingTiled) -> Op:
    x, type = g.pick(max_rank=3)
    front = g.draw(shapes(max_rank=1))
    grown = (
        3 if extent == 1 and split is None else extent
        for extent, split in zip(type.shape, type.layout.splits, strict=True)
    )
    return move.Expand(x, (*front, *grown))


def _pad(g: GrowingTiled) -> Op:
    x, type = g.pick()
    before = tuple(
        g.draw(st.integers(0, 2)) if split is None else 0 for split in type.layout.splits
    )
    return move.Pad(x, before, (0,) * type.rank, g.draw(NUMBERS))


def _shard(g: GrowingTiled) -> Op:
    x, type = g.pick(tuple(DType), min_rank=1)
    whole, axes = g.whole_dims(type), g.free_axes(type)
    if not whole or not axes:
        return compute.MaskPadding(x, 0.0)
    dim = g.draw(st.sampled_from(whole))
    axis = g.draw(st.sampled_from(axes))
    return move.Shard(x, dim, axis, g.split(g.regions[type.region], axis, type.shape[dim]).block)


def _all_gather(g: GrowingTiled) -> Op:
    x, type = g.pick(tuple(DType))
    axes: list[Axis] = [axis for axis in AXES if type.layout.split_of(axis) is not None]
    if not axes:
        return compute.MaskPadding(x, 0.0)
    return collective.AllGather(x, g.draw(st.sampled_from(axes)))


def _transfer(g: GrowingTiled) -> Op:
    x, type = g.pick(tuple(DType))
    targets = [name for name in g.regions if name != type.region]
    if not targets:
        return compute.MaskPadding(x, 0.0)
    if type.layout.split_of("x") is not None:
        x = g.add(collective.AllGather(x, "x"))
    return stream.Transfer(x, g.draw(st.sampled_from(targets)))


def _fill(g: GrowingTiled) -> Op:
    region = g.draw(st.sampled_from(list(g.regions.values())))
    shape = g.draw(shapes())
    return structure.Fill(g.draw(NUMBERS), shape, DType.F32, region.name, g.layout(region, shape))


MAKERS: tuple[Callable[[GrowingTiled], Op], ...] = (
    _unary,
    _binary,
    _binary_scalar,
    _select,
    _cast,
    _reduce,
    _contract,
    _causal_mask,
    _mask_padding,
    _gather_rows,
    _conv2d,
    _pool2d,
    _reshape,
    _permute,
    _slice,
    _concat,
    _expand,
    _pad,
    _shard,
    _all_gather,
    _transfer,
    _transfer,
    _fill,
)


@st.composite
def tiled_programs(draw: st.DrawFn, max_ops: int = 8) -> Program:
    """Tiled programs that verify, of one or two regions, some of them placed with buffers.

    Some have entries over common weights.
    """
    height = draw(st.integers(1, 4))
    count = draw(st.integers(1, 2))
    regions = [Region(f"r{i}", draw(st.integers(1, 4)), height) for i in range(count)]
    growing = GrowingTiled(draw, regions)
    entries = draw(st.sampled_from([0, 0, 1, 2]))
    shared: list[Value] = []
    if entries:
        for _ in range(draw(st.integers(0, 2))):
            region, shape = draw(st.sampled_from(regions)), draw(shapes())
            growing.state(shape, DType.F32, region.name, growing.layout(region, shape))
        shared = growing.values
    for entry in range(max(1, entries)):
        if entries:
            growing.builder.effect(structure.Entry(f"{draw(NAMES)}{entry}"), draw(PLACES))
            growing.values = [*shared]
        for _ in range(draw(st.integers(1, 2))):
            region, shape = draw(st.sampled_from(regions)), draw(shapes())
            dtype = draw(st.sampled_from([DType.F32, DType.F32, DType.F16, DType.I32]))
            layout = growing.layout(region, shape)
            growing.add(structure.Input(growing.label(), shape, dtype, region.name, layout))
        for _ in range(draw(st.integers(0, max_ops))):
            growing.add(draw(st.sampled_from(MAKERS))(growing))
        if count > 1 and draw(st.booleans()):
            growing.add(_transfer(growing))
        for value in draw(st.lists(st.sampled_from(growing.values), min_size=1, max_size=2)):
            growing.builder.effect(structure.Output(value, growing.label()), draw(PLACES))
    program = Program("tiled", draw(NAMES), tuple(growing.builder.statements), tuple(regions))
    return _placed(draw, program) if draw(st.booleans()) else program


def _placed(draw: st.DrawFn, program: Program) -> Program:
    """The program with its regions in a row, a path for each stream row, a buffer per value."""
    regions: list[Region] = []
    x = 0
    for region in program.regions:
        x += draw(st.integers(0, 2))
        group = draw(st.sampled_from([0, 2]))
        colors, stream_colors = tuple(range(10 if group else 6)), (10, 11)
        lines = (draw(st.integers(0, region.width - 1)), group, 0, 0)
        placed = replace(region, x=x, y=1, colors=colors, stream_colors=stream_colors)
        regions.append(replace(placed, lines=lines))
        x += region.width
    corners = {region.name: region for region in regions}
    paths: list[Path] = []
    transfers = [s.op for s in program.statements if isinstance(s.op, stream.Transfer)]
    for number, transfer in enumerate(transfers):
        type = transfer.x.type
        assert isinstance(type, TiledType)
        source, target = corners[type.region], corners[transfer.region]
        assert source.x is not None
        assert target.x is not None
        rows = source.height if type.layout.split_of("y") is not None else 1
        for row in range(rows):
            start, end = (source.x + source.width - 1, 1 + row), (target.x, 1 + row)
            # a one-row detour where both ends are in one column
            detour = ((start[0], 0), (end[0] + 1, 0), (end[0] + 1, end[1]))
            path = (start, end) if start != end and start[0] != end[0] else (start, *detour, end)
            paths.append(Path(number, row, 8 + number % 8, path))
    buffers = tuple(
        Buffer(
            f"b{number}", value.type.region, value.type.dtype, value.type.local_elements, (number,)
        )
        for value, number in value_numbers(program).items()
        if isinstance(value.type, TiledType)
    )
    return Program(
        program.kind,
        program.name,
        program.statements,
        tuple(regions),
        tuple(paths),
        buffers,
        {"target": "wse3", "clock": 0.75, "stages": len(regions), "placed": True},
    )
