"""Small tiled programs, one per kernel, placed, with colors and buffers, and inputs for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from waferc.passes.place import Place
from waferc.passes.route import Route
from waferc.unit import Unit
from waferc_ir.dtypes import DType
from waferc_ir.machine import MACHINES
from waferc_ir.ops import collective, stream, tile_compute, tile_move, tile_structure
from waferc_ir.ops.declare import Op
from waferc_ir.ops.layouts import reshape_layout
from waferc_ir.program import Builder, Program, Value
from waferc_ir.types import AXES, Axis, Buffer, Layout, Region, Split, TiledType

Array = NDArray[Any]
Draw = st.DrawFn


@dataclass
class Case:
    """A program under construction: its region, statements and arrays for its inputs."""

    region: Region
    dtype: DType = DType.F32
    builder: Builder = field(default_factory=Builder)
    inputs: dict[str, Array] = field(default_factory=lambda: {})
    in_place: dict[Value, Value] = field(default_factory=lambda: {})
    others: tuple[Region, ...] = ()

    def input(self, array: Array, layout: Layout) -> Value:
        """An input tensor with this content."""
        label = f"in{len(self.inputs)}"
        self.inputs[label] = array
        dtype = {"f": self.dtype, "b": DType.BOOL, "i": DType.I32}[array.dtype.kind]
        op = tile_structure.Input(label, array.shape, dtype, self.region.name, layout)
        return self.builder.add(op)

    def add(self, op: Op, *, over: Value | None = None) -> Value:
        """Append an operation; its result shares the buffer of `over` if given."""
        value = self.builder.add(op)
        if over is not None:
            self.in_place[value] = over
        return value

    def finish(self, value: Value) -> Value:
        """Reduce over every axis along which a value is partial."""
        given = value.type
        assert isinstance(given, TiledType)
        for partial in given.layout.partial:
            value = self.add(collective.AllReduce(value, partial.axis))
        return value

    def output(self, value: Value, label: str = "out") -> None:
        """Make a value an output."""
        self.builder.effect(tile_structure.Output(value, label))

    def unit(self, target: str = "wse3") -> Unit:
        """The program with one buffer per value (or shared ones), on a machine."""
        regions = (self.region, *self.others)
        program = Program("tiled", "case", tuple(self.builder.statements), regions)
        unit = Unit(program, {}, MACHINES[target])
        if self.others:
            unit = Route().run(Place().run(unit))
        return unit.with_program(allocated(unit.program, self.in_place))


def allocated(program: Program, in_place: dict[Value, Value] | None = None) -> Program:
    """A buffer for every value, or the one of the value whose place it takes."""
    owner: dict[Value, int] = {}
    buffers: list[tuple[TiledType, list[int]]] = []
    results = [s.result for s in program.statements if s.result is not None]
    for number, value in enumerate(results):
        given = value.type
        assert isinstance(given, TiledType)
        place = (in_place or {}).get(value)
        if place is None:
            owner[value] = len(buffers)
            buffers.append((given, [number]))
        else:
            owner[value] = owner[place]
            buffers[owner[value]][1].append(number)
    made = tuple(
        Buffer(f"b{index}", given.region, given.dtype, given.local_elements, tuple(numbers))
        for index, (given, numbers) in enumerate(buffers)
    )
    return replace(program, buffers=made)


@st.composite
def regions(draw: Draw, largest: int = 3) -> Region:
    """A region of up to `largest` PEs along each axis, placed near the corner, with any lines."""
    width, height = (draw(st.integers(1, largest)) for _ in AXES)
    x, y = draw(st.integers(0, 1)), draw(st.integers(0, 1))
    lines = [n for pes in (width, height) for n in draw(lines_of(pes))]
    colors = tuple(range(10 if any(lines[1::2]) else 6))
    return Region("r0", width, height, x, y, colors, lines=tuple(lines))


def lines_of(pes: int) -> st.SearchStrategy[tuple[int, int]]:
    """Root and group of a line."""
    groups = st.one_of(st.just(0), st.integers(2, max(2, pes // 2)))
    return st.tuples(st.integers(0, pes - 1), groups)


def shapes(smallest: int = 1, largest: int = 4, extent: int = 5) -> st.SearchStrategy[Shape]:
    """Shapes of rank `smallest` to `largest`."""
    return st.lists(st.integers(1, extent), min_size=smallest, max_size=largest).map(tuple)


Shape = tuple[int, ...]


@st.composite
def layouts(
    draw: Draw, shape: Shape, region: Region, keep: Sequence[int] = (), axes: Sequence[Axis] = AXES
) -> Layout:
    """A layout that splits some dimensions, none of `keep`, along some of `axes`."""
    splits: list[Split | None] = [None] * len(shape)
    for axis in axes:
        free = [d for d in range(len(shape)) if d not in keep and splits[d] is None]
        dim = draw(st.sampled_from([None, *free]))
        if dim is not None:
            splits[dim] = Split(axis, math.ceil(shape[dim] / region.extent(axis)))
    return Layout(tuple(splits))


def numbers(draw: Draw, shape: Shape, dtype: DType = DType.F32, *, scale: float = 1.0) -> Array:
    """Pseudo-random content: halves of small integers, which every float type holds."""
    seed = draw(st.integers(0, 2**16))
    generator = np.random.default_rng(seed)
    if dtype is DType.BOOL:
        return generator.integers(0, 2, shape).astype(bool)
    values = generator.integers(-6, 7, shape)
    if dtype is DType.I32:
        return values.astype(np.int32)
    return (values * 0.5 * scale).astype(dtype.numpy)


def on_split(layout: Layout, dims: Sequence[int]) -> Layout:
    """The layout of a tensor whose dimension i is dimension dims[i] of another."""
    return Layout(tuple(layout.splits[d] for d in dims))


CaseStrategy = Callable[[Draw], Case]


def _start(draw: Draw, dtype: DType | None = None) -> Case:
    chosen = draw(st.sampled_from([DType.F32, DType.F16])) if dtype is None else dtype
    return Case(draw(regions()), chosen)


def unary_case(draw: Draw) -> Case:
    """A function without neighbours, perhaps in place."""
    case = _start(draw)
    fn = draw(
        st.sampled_from(
            ["neg", "abs", "exp", "tanh", "sigmoid", "relu", "gelu", "gelu_tanh", "silu", "erf",
             "sin", "cos", "floor", "ceil", "sign", "softplus"]
        )
    )  # fmt: skip
    shape = draw(shapes())
    x = case.input(numbers(draw, shape, case.dtype), draw(layouts(shape, case.region)))
    case.output(case.add(tile_compute.Unary(x, fn), over=draw(st.sampled_from([None, x]))))
    return case


def positive_unary_case(draw: Draw) -> Case:
    """A function that wants positive operands (padding lanes are not looked at)."""
    case = _start(draw)
    fn = draw(st.sampled_from(["log", "sqrt", "rsqrt", "reciprocal"]))
    shape = draw(shapes())
    array = np.abs(numbers(draw, shape, case.dtype)) + np.array(0.5, case.dtype.numpy)
    x = case.input(array, draw(layouts(shape, case.region)))
    case.output(case.add(tile_compute.Unary(x, fn)))
    return case


def binary_case(draw: Draw) -> Case:
    """Two operands that broadcast, floats or integers, arithmetic or comparison."""
    case = _start(draw)
    dtype = draw(st.sampled_from([case.dtype, case.dtype, DType.I32]))
    functions = ["add", "sub", "mul", "max", "min", "eq", "ne", "lt", "le", "gt", "ge"]
    fn = draw(st.sampled_from(functions + (["div"] if dtype is not DType.I32 else [])))
    shape = draw(shapes())
    layout = draw(layouts(shape, case.region))
    operands: list[Value] = []
    for _ in range(2):
        own = list(shape)
        splits = list(layout.splits)
        for dim in range(len(own)):
            if draw(st.integers(0, 3)) == 0:
                own[dim] = 1
                splits[dim] = splits[dim] if shape[dim] == 1 else None
        lead = draw(st.integers(0, len(own)))
        if operands:
            own, splits = own[lead:], splits[lead:]
        array = numbers(draw, tuple(own), dtype)
        if fn == "div" and operands:
            array = np.where(array == 0, np.array(2, array.dtype), array)
        operands.append(case.input(array, Layout(tuple(splits))))
    if dtype is DType.I32:
        # something of the program's float type, which comparisons yield
        case.input(np.zeros((1,), case.dtype.numpy), Layout((None,)))
    case.output(case.add(tile_compute.Binary(operands[0], operands[1], fn)))
    return case


def scalar_case(draw: Draw) -> Case:
    """An operand and a constant."""
    case = _start(draw)
    fn = draw(st.sampled_from(["add", "sub", "mul", "div", "max", "min", "pow", "lt", "ge", "eq"]))
    value = draw(st.sampled_from([0.5, 1.0, 2.0, 3.0, 4.0, -1.0, -0.5, 1.5]))
    reverse = draw(st.booleans()) if fn != "pow" else False
    shape = draw(shapes())
    array = numbers(draw, shape, case.dtype)
    if fn in ("div", "pow"):
        array = np.abs(array) + np.array(0.5, array.dtype)
    x = case.input(array, draw(layouts(shape, case.region)))
    over = draw(st.sampled_from([None, x])) if fn in ("add", "min", "sub") else None
    case.output(case.add(tile_compute.BinaryScalar(x, fn, value, reverse), over=over))
    return case


def logic_case(draw: Draw) -> Case:
    """Booleans: logic, selection, conversion."""
    case = _start(draw)
    shape = draw(shapes())
    layout = draw(layouts(shape, case.region))
    a, b = (case.input(numbers(draw, shape, DType.BOOL), layout) for _ in range(2))
    x, y = (case.input(numbers(draw, shape, case.dtype), layout) for _ in range(2))
    i = case.input(numbers(draw, shape, DType.I32), layout)
    both = case.add(tile_compute.Binary(a, b, draw(st.sampled_from(["and", "or"]))))
    case.output(case.add(tile_compute.Unary(both, "logical_not")), "not")
    case.output(case.add(tile_compute.Select(both, x, y)), "select")
    case.output(case.add(tile_compute.Select(a, i, i)), "integers")
    case.output(case.add(tile_compute.Cast(both, case.dtype)), "float")
    case.output(case.add(tile_compute.Cast(x, DType.I32)), "integer")
    case.output(case.add(tile_compute.Cast(x, DType.BOOL)), "bool")
    case.output(case.add(tile_compute.Cast(i, case.dtype)), "from_integer")
    return case


def select_case(draw: Draw) -> Case:
    """A selection whose operands broadcast, perhaps in place of one; infinities too."""
    case = _start(draw)
    case.dtype = draw(st.sampled_from([DType.F16, DType.F16, DType.F32]))
    shape = (*draw(shapes(0, 2, 3)), draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    layout = draw(layouts(shape, case.region))
    operands: list[Value] = []
    for dtype in (DType.BOOL, case.dtype, case.dtype):
        own = tuple(draw(st.sampled_from([extent, extent, 1])) for extent in shape)
        splits = [s if e == f else None for s, e, f in zip(layout.splits, own, shape, strict=True)]
        array = numbers(draw, own, dtype)
        if dtype is not DType.BOOL:
            array.flat[0] = draw(st.sampled_from([0.0, math.inf, -math.inf, math.nan]))
        operands.append(case.input(array, Layout(tuple(splits))))
    op = tile_compute.Select(*operands)
    whole = [v for v in operands[1:] if v.type == op.result_type()]
    case.output(case.add(op, over=draw(st.sampled_from([None, *whole]))))
    return case


def reduce_case(draw: Draw) -> Case:
    """A reduction over some dimensions, finished over the axes that split them."""
    case = _start(draw)
    shape = draw(shapes(1, 4))
    dims = draw(st.sets(st.integers(0, len(shape) - 1), min_size=1).map(sorted).map(tuple))
    fn = draw(st.sampled_from(["sum", "max", "min"]))
    x = case.input(numbers(draw, shape, case.dtype), draw(layouts(shape, case.region)))
    neutral = {"sum": 0.0, "max": -math.inf, "min": math.inf}[fn]
    masked = case.add(tile_compute.MaskPadding(x, neutral), over=draw(st.sampled_from([None, x])))
    case.output(case.finish(case.add(tile_compute.Reduce(masked, fn, dims))))
    return case


def contract_case(draw: Draw) -> Case:
    """A contraction with letters of every kind, finished over the axes that split summed ones."""
    case = _start(draw)
    batch, left, right, summed = "ab", "mn", "pq", "kl"
    counts = [draw(st.integers(0, 2)) for _ in range(4)]
    b, m, n, k = (w[:c] for w, c in zip((batch, left, right, summed), counts, strict=True))
    letters = b + m + n + k
    sizes = {letter: draw(st.integers(1, 5)) for letter in letters}
    if letters and draw(st.booleans()):  # long vectors are done in other ways than short ones
        sizes[draw(st.sampled_from(letters))] = draw(st.integers(30, 70))
    axes: dict[str, Split] = {}
    for axis in AXES:
        letter = draw(st.sampled_from(["", *letters]))
        if letter and letter not in axes:
            block = math.ceil(sizes[letter] / case.region.extent(axis))
            axes[letter] = Split(axis, block)
    lhs_dims = "".join(draw(st.permutations(b + m + k)))
    rhs_dims = "".join(draw(st.permutations(b + n + k)))
    out_dims = "".join(draw(st.permutations(b + m + n)))
    values = [
        case.input(
            numbers(draw, tuple(sizes[c] for c in dims), case.dtype),
            Layout(tuple(axes.get(c) for c in dims)),
        )
        for dims in (lhs_dims, rhs_dims)
    ]
    wide = case.dtype is DType.F16 and draw(st.booleans())
    op = tile_compute.Contract(values[0], values[1], lhs_dims, rhs_dims, out_dims, wide)
    case.output(case.finish(case.add(op)))
    return case


def causal_case(draw: Draw) -> Case:
    """A causal mask on scores that may be split along both of the last dimensions."""
    case = _start(draw)
    shape = (*draw(shapes(0, 2, 3)), draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    x = case.input(numbers(draw, shape, case.dtype), draw(layouts(shape, case.region)))
    offset = draw(st.integers(-2, 3))
    over = draw(st.sampled_from([None, x]))
    case.output(case.add(tile_compute.CausalMask(x, offset), over=over))
    return case


def mask_case(draw: Draw) -> Case:
    """Padding filled, then all of it gathered by a sum over the tile."""
    case = _start(draw)
    shape = draw(shapes(1, 3))
    x = case.input(numbers(draw, shape, case.dtype), draw(layouts(shape, case.region)))
    raised = case.add(tile_compute.BinaryScalar(x, "add", 1.0))
    masked = case.add(tile_compute.MaskPadding(raised, 0.0))
    total = case.add(tile_compute.Reduce(masked, "sum", tuple(range(len(shape)))))
    case.output(case.finish(total))
    return case


def gather_case(draw: Draw) -> Case:
    """Rows by index from a table that may be split in both dimensions."""
    case = _start(draw)
    rows, width = draw(st.integers(1, 7)), draw(st.integers(1, 4))
    layout = draw(layouts((rows, width), case.region))
    used = {split.axis for split in layout.splits if split is not None}
    shape = draw(shapes(1, 2, 4))
    free: list[Axis] = [axis for axis in AXES if axis not in used]
    ids_layout = draw(layouts(shape, case.region, axes=free))
    ids = np.random.default_rng(draw(st.integers(0, 99))).integers(0, rows, shape)
    table = case.input(numbers(draw, (rows, width), case.dtype), layout)
    index = case.input(ids.astype(np.int32), ids_layout)
    case.output(case.finish(case.add(tile_compute.GatherRows(table, index))))
    return case


def conv_case(draw: Draw) -> Case:
    """A convolution with stride, dilation and groups."""
    case = _start(draw)
    groups = draw(st.sampled_from([1, 1, 2]))
    images = draw(st.integers(1, 3))
    channels, out_channels = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    stride = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    dilation = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    extents = tuple(
        (k - 1) * d + draw(st.integers(1, 4)) for k, d in zip(kernel, dilation, strict=True)
    )
    x_shape = (images, channels, *extents)
    w_shape = (out_channels, channels // groups, *kernel)
    splits: dict[str, Split] = {}
    for axis in AXES:
        name = draw(st.sampled_from(["", "n", "ci", "co"] if groups == 1 else ["", "n"]))
        size = {"": 0, "n": images, "ci": channels, "co": out_channels}[name]
        if name and name not in splits:
            splits[name] = Split(axis, math.ceil(size / case.region.extent(axis)))
    x_layout = Layout((splits.get("n"), splits.get("ci"), None, None))
    w_layout = Layout((splits.get("co"), splits.get("ci"), None, None))
    x = case.input(numbers(draw, x_shape, case.dtype), x_layout)
    weight = case.input(numbers(draw, w_shape, case.dtype), w_layout)
    op = tile_compute.Conv2d(x, weight, stride, (0, 0), dilation, groups)
    case.output(case.finish(case.add(op)))
    return case


def pool_case(draw: Draw) -> Case:
    """Pooling of every kind."""
    case = _start(draw)
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    extents = tuple(k + draw(st.integers(0, 3)) for k in kernel)
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 3)), *extents)
    x = case.input(numbers(draw, shape, case.dtype), draw(layouts(shape, case.region, (2, 3))))
    fn = draw(st.sampled_from(["max", "mean"]))
    case.output(case.add(tile_compute.Pool2d(x, fn, kernel, stride, (0, 0))))
    return case


def move_case(draw: Draw) -> Case:
    """Permutation, slice, concatenation, padding, expansion and reshape of one tensor."""
    case = _start(draw)
    dtype = draw(st.sampled_from([case.dtype, DType.I32]))
    shape = draw(shapes(2, 6, 3))
    layout = draw(layouts(shape, case.region, keep=(0,)))
    x = case.input(numbers(draw, shape, dtype), layout)
    order = draw(st.permutations(range(len(shape))))
    case.output(case.add(tile_move.Permute(x, tuple(order))), "permute")
    start = draw(st.integers(0, shape[0] - 1))
    step = draw(st.integers(1, 2))
    case.output(case.add(tile_move.Slice(x, 0, start, shape[0], step)), "slice")
    joined = case.add(tile_move.Concat((x, x), 0))
    case.output(joined, "concat")
    around = (draw(st.integers(0, 2)), *(0 for _ in shape[1:]))
    case.output(case.add(tile_move.Pad(x, around, around, 1.0)), "pad")
    case.output(case.add(tile_move.Expand(x, (2, *shape))), "expand")
    row = case.add(tile_move.Slice(x, 0, start, start + 1))
    case.output(case.add(tile_move.Expand(row, (3, *shape[1:]))), "stretch")
    if reshape_layout(shape, (1, *shape), layout) is not None:
        case.output(case.add(tile_move.Reshape(x, (1, *shape)), over=x), "reshape")
    case.output(
        case.add(
            tile_structure.Fill(2.0, shape, dtype, case.region.name, layout)
        ),
        "fill",
    )  # fmt: skip
    return case


def gathering_case(draw: Draw) -> Case:
    """Blocks gathered along an axis, with and without padding, and sharded again."""
    case = Case(draw(regions(5)), draw(st.sampled_from([DType.F32, DType.F16])))
    shape = draw(shapes(1, 3, 7))
    axis = draw(st.sampled_from(AXES))
    dim = draw(st.integers(0, len(shape) - 1))
    least = math.ceil(shape[dim] / case.region.extent(axis))
    block = draw(st.integers(least, least + 2))
    splits: list[Split | None] = [None] * len(shape)
    splits[dim] = Split(axis, block)
    x = case.input(numbers(draw, shape, case.dtype), Layout(tuple(splits)))
    whole = case.add(collective.AllGather(x, axis))
    case.output(whole, "whole")
    part = case.add(tile_move.Shard(whole, dim, axis, block))
    total = case.add(tile_compute.Reduce(part, "sum", (dim,)))
    case.output(part, "part")
    case.output(case.finish(total), "total")
    return case


def stream_case(draw: Draw) -> Case:
    """Tiles that go from region to region, in rows or in one, and are worked on in between."""
    height, dtype = draw(st.integers(1, 3)), draw(st.sampled_from([DType.F32, DType.F16]))
    same_height = draw(st.booleans())
    sizes = [(draw(st.integers(1, 3)), height if same_height else draw(st.integers(1, 3)))]
    sizes += [(draw(st.integers(1, 3)), height) for _ in range(draw(st.integers(1, 2)))]
    made = [Region(f"r{n}", width, high) for n, (width, high) in enumerate(sizes)]
    case = Case(made[0], dtype, others=tuple(made[1:]))
    shape = draw(shapes(1, 2, 5))
    split = Split("y", math.ceil(shape[0] / height))
    rows = [Layout((split, *(None for _ in shape[1:]))), Layout((None,) * len(shape))]
    alike = same_height and made[0].height == height
    values = [
        case.input(numbers(draw, shape, dtype), draw(st.sampled_from(rows if alike else rows[1:])))
        for _ in range(2)
    ]
    for region in made[1:]:
        values = [case.add(stream.Transfer(value, region.name)) for value in values]
        values[0] = case.add(tile_compute.Unary(values[0], "neg"))
    for number, value in enumerate(values):
        case.output(value, f"out{number}")
    return case


CASES: dict[str, CaseStrategy] = {
    "unary": unary_case,
    "positive_unary": positive_unary_case,
    "binary": binary_case,
    "scalar": scalar_case,
    "logic": logic_case,
    "select": select_case,
    "reduce": reduce_case,
    "contract": contract_case,
    "causal": causal_case,
    "mask": mask_case,
    "gather": gather_case,
    "conv": conv_case,
    "pool": pool_case,
    "move": move_case,
    "gathering": gathering_case,
    "stream": stream_case,
}


def cases(name: str) -> st.SearchStrategy[Case]:
    """Programs for one kernel family."""
    return st.composite(CASES[name])()
