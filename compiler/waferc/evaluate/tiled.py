"""The meaning of tiled programs in NumPy, tile by tile: arrays are [height, width, *local shape].

Every PE of a region computes on its own tiles, padding lanes included; nothing moves between PEs
but in collectives and streams. all_reduce adds from PE 0 upward, rounding to the element type at
every step. Element arithmetic is that of `evaluate.scalar` and `evaluate.arrays`.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc.analysis.padding import Padding, padded_dims, tiled
from waferc.evaluate import arrays, scalar
from waferc.evaluate.graph import EvaluateError, stated
from waferc_ir.entries import entry_named, single
from waferc_ir.ops import collective, stream, tile_compute, tile_move, tile_structure
from waferc_ir.ops.declare import Op
from waferc_ir.program import Program, Value
from waferc_ir.types import Axis, Region, TiledType

Array = NDArray[Any]
Tiles = Mapping[Value, Array]

_ALONG: dict[Axis, int] = {"y": 0, "x": 1}  # the array dimension that counts PEs along an axis


def evaluate(
    program: Program,
    inputs: Mapping[str, Array],
    weights: Mapping[str, Array],
    states: MutableMapping[str, Array] | None = None,
    *,
    entry: str | None = None,
    poison: bool = False,
) -> dict[str, Array]:
    """Run a tiled program: whole arrays by input label in, whole arrays by output label out.

    A program of several entries runs the one called `entry`.

    Mutable states are read from `states`, where they are there, else from `weights`; what the call
    leaves in them is written to `states`.

    With `poison`, padding lanes whose content nobody may rely on are filled with NaN (integers:
    their largest value), so that an operation that reads them spoils the result.

    Raises:
        EvaluateError: an array is missing, or has another shape or element type than stated; with
            `poison`, also if padding is not what `analysis.padding` says.
        EntryError: there is no such entry, or none is named.
    """
    program = single(program, entry_named(program, entry))
    regions = {region.name: region for region in program.regions}
    padding = Padding.of(program) if poison else None
    tiles: dict[Value, Array] = {}
    outputs: dict[str, Array] = {}
    states_read: dict[Value, tile_structure.State] = {}
    stored: dict[str, Array] = {}
    for statement in program.statements:
        op, result = statement.op, statement.result
        if isinstance(op, tile_structure.Output):
            given = tiled(op.x)
            outputs[op.label] = gather(tiles[op.x], given, regions[given.region])
        if isinstance(op, tile_structure.Store):
            given = tiled(op.x)
            state = states_read[op.state]
            array = gather(tiles[op.x], given, regions[given.region])
            stored[state.label] = arrays.gathered(array, state.spread)
        if result is None:
            continue
        given = tiled(result)
        region = regions[given.region]
        if isinstance(op, tile_structure.Input | tile_structure.State):
            is_input = isinstance(op, tile_structure.Input)
            source, what = (inputs, "input") if is_input else (weights, "state")
            spread: tuple[int, ...] = ()
            if isinstance(op, tile_structure.State) and op.mutable:
                states_read[result], spread = op, op.spread
                source = states if states is not None and op.label in states else weights
            array = arrays.spread(stated(what, op.label, given, source), spread)
            tiles[result] = scatter(array, given, region)
        else:
            tiles[result] = evaluate_operation(op, tiles, regions)
        if padding is not None:
            tiles[result] = _poisoned(tiles[result], result, padding, region)
    if states is not None:
        states.update(stored)
    return outputs


def scatter(array: Array, given: TiledType, region: Region) -> Array:
    """Tiles of a whole array, zeros in their padding."""
    padded = np.zeros(_padded_shape(given, region), array.dtype)
    padded[_held(given)] = array
    tiles = np.empty((region.height, region.width, *given.local_shape), array.dtype)
    for y, x in np.ndindex(region.height, region.width):
        tiles[y, x] = padded[_window(given, x, y)]
    return tiles


def gather(tiles: Array, given: TiledType, region: Region) -> Array:
    """The whole array: one replica of each tile, without the padding."""
    padded = np.zeros(_padded_shape(given, region), tiles.dtype)
    for y, x in np.ndindex(region.height, region.width):
        padded[_window(given, x, y)] = tiles[y, x]
    return padded[_held(given)]


def _padded_shape(given: TiledType, region: Region) -> tuple[int, ...]:
    """The shape of all PEs' lanes together."""
    return tuple(
        extent if split is None else split.block * region.extent(split.axis)
        for extent, split in zip(given.shape, given.layout.splits, strict=True)
    )


def _held(given: TiledType) -> tuple[slice, ...]:
    """Where the tensor lies in the padded whole."""
    starts = (0 if split is None else split.first * split.block for split in given.layout.splits)
    return tuple(
        slice(start, start + extent) for start, extent in zip(starts, given.shape, strict=True)
    )


def _window(given: TiledType, x: int, y: int) -> tuple[slice, ...]:
    """Where the tile of PE (x, y) lies in the padded whole."""
    position: dict[Axis, int] = {"x": x, "y": y}
    return tuple(
        slice(None)
        if split is None
        else slice(position[split.axis] * split.block, (position[split.axis] + 1) * split.block)
        for split in given.layout.splits
    )


def inside(given: TiledType, region: Region) -> NDArray[np.bool_]:
    """Which lanes of the tiles are part of the tensor: [height, width, *local shape]."""
    return scatter(np.ones(given.shape, np.bool_), given, region)


def _poisoned(tiles: Array, value: Value, padding: Padding, region: Region) -> Array:
    given = tiled(value)
    if not padded_dims(given, padding.regions):
        return tiles
    lanes = inside(given, region)
    known = padding.known.get(value)
    if known is None:
        return np.where(lanes, tiles, _worst(tiles.dtype))
    if not np.all(tiles[~lanes] == np.asarray(known, tiles.dtype)):
        raise EvaluateError(f"padding of a value of type {given} is not {known}")
    return tiles


def _worst(dtype: np.dtype[Any]) -> Array:
    """An element that spoils what reads it."""
    match dtype.kind:
        case "f":
            return np.asarray(np.nan, dtype)
        case "b":
            return np.asarray(True)
        case _:
            return np.asarray(np.iinfo(dtype).max, dtype)


def evaluate_operation(op: Op, tiles: Tiles, regions: Mapping[str, Region]) -> Array:
    """The tiles of the result of an operation that is no input or weight."""
    result = op.result_type()
    assert isinstance(result, TiledType)
    region = regions[result.region]
    match op:
        case tile_structure.Fill():
            shape = (region.height, region.width, *result.local_shape)
            return np.full(shape, op.value, op.dtype.numpy)
        case collective.AllReduce():
            return _all_reduce(op, tiles[op.x])
        case collective.AllGather():
            return _all_gather(op, tiles[op.x])
        case collective.Multiply():
            return _multiply(op, tiles[op.rows], tiles[op.matrix], result)
        case stream.Transfer():
            source = tiles[op.x][:, -1:]  # the easternmost column
            rows = source if source.shape[0] == region.height else source[:1]
            return np.broadcast_to(rows, (region.height, region.width, *rows.shape[2:])).copy()
        case tile_move.Shard():
            return _shard(op, tiles[op.x], result)
        case tile_compute.CausalMask():
            return _causal_mask(op, tiles[op.x], result)
        case tile_compute.MaskPadding():
            fill = np.asarray(op.value).astype(tiles[op.x].dtype)
            return np.where(inside(result, region), tiles[op.x], fill)
        case tile_compute.GatherRows():
            return _gather_rows(op, tiles)
        case tile_compute.Conv2d():
            return _conv2d(op, tiles[op.x], tiles[op.weight])
        case tile_compute.Pool2d():
            return _pool2d(op, tiles[op.x])
        case _:
            return _local(op, tiles, result)


def _local(op: Op, tiles: Tiles, result: TiledType) -> Array:
    """Operations that treat the dimensions [height, width] as any leading dimensions."""
    match op:
        case tile_compute.Unary():
            return scalar.unary(op.fn, tiles[op.x])
        case tile_compute.Binary():
            return scalar.binary(op.fn, *(_ranked(tiles[v], result) for v in (op.lhs, op.rhs)))
        case tile_compute.BinaryScalar():
            return scalar.binary_scalar(op.fn, tiles[op.x], op.value, op.reverse)
        case tile_compute.Select():
            return np.where(*(_ranked(tiles[v], result) for v in op.operands()))
        case tile_compute.Cast():
            return scalar.cast(tiles[op.x], op.dtype.numpy)
        case tile_compute.Reduce():
            return arrays.reduce(tiles[op.x], op.fn, [dim + 2 for dim in op.dims], keepdim=True)
        case tile_compute.Contract():
            used = op.lhs_dims + op.rhs_dims
            y, x = [letter for letter in string.ascii_letters if letter not in used][:2]
            letters = (y + x + dims for dims in (op.lhs_dims, op.rhs_dims, op.out_dims))
            lhs, rhs = tiles[op.lhs], tiles[op.rhs]
            if op.wide:
                lhs, rhs = lhs.astype(np.float32), rhs.astype(np.float32)
            return arrays.contract(lhs, rhs, *letters)
        case tile_move.Reshape():
            return tiles[op.x].reshape(*tiles[op.x].shape[:2], *result.local_shape)
        case tile_move.Permute():
            return np.transpose(tiles[op.x], (0, 1, *(dim + 2 for dim in op.dims)))
        case tile_move.Slice():
            steps = slice(op.start, op.stop, op.step)
            return tiles[op.x][(slice(None),) * (op.dim + 2) + (steps,)]
        case tile_move.Concat():
            return np.concatenate([tiles[part] for part in op.parts], axis=op.dim + 2)
        case tile_move.Expand():
            x = _ranked(tiles[op.x], result)
            return np.broadcast_to(x, (*x.shape[:2], *result.local_shape))
        case tile_move.Pad():
            x = tiles[op.x]
            widths = [(0, 0), (0, 0), *zip(op.before, op.after, strict=True)]
            return np.pad(x, widths, constant_values=x.dtype.type(op.value))
        case _:
            raise ValueError(f"{op.name} has no meaning for tiles")


def _ranked(tiles: Array, result: TiledType) -> Array:
    """Tiles with as many dimensions as the result's, ones put in after [height, width]."""
    missing = result.rank + 2 - tiles.ndim
    return tiles.reshape(*tiles.shape[:2], *(1,) * missing, *tiles.shape[2:])


def _per_pe(function: Callable[..., Array], *operands: Array) -> Array:
    height, width = operands[0].shape[:2]
    rows = [
        np.stack([function(*(tiles[y, x] for tiles in operands)) for x in range(width)])
        for y in range(height)
    ]
    return np.stack(rows)


def _conv2d(op: tile_compute.Conv2d, x: Array, weight: Array) -> Array:
    def one(x: Array, weight: Array) -> Array:
        return arrays.conv2d(x, weight, None, op.stride, op.padding, op.dilation, op.groups)

    return _per_pe(one, x, weight)


def _pool2d(op: tile_compute.Pool2d, x: Array) -> Array:
    def one(x: Array) -> Array:
        return arrays.pool2d(x, op.fn, op.kernel, op.stride, op.padding, op.count_padding)

    return _per_pe(one, x)


def _all_reduce(op: collective.AllReduce, x: Array) -> Array:
    fn = next(p.fn for p in tiled(op.x).layout.partial if p.axis == op.axis)
    steps = {"sum": "add", "max": "max", "min": "min"}
    line = np.moveaxis(x, _ALONG[op.axis], 0)
    total = line[0]
    for tile in line[1:]:
        total = scalar.binary(steps[fn], total, tile)
    return np.moveaxis(np.broadcast_to(total, line.shape), 0, _ALONG[op.axis]).copy()


def _all_gather(op: collective.AllGather, x: Array) -> Array:
    found = tiled(op.x).layout.split_of(op.axis)
    assert found is not None
    dim = found[0]
    line = np.moveaxis(x, _ALONG[op.axis], 0)
    whole = np.concatenate(list(line), axis=dim + 1)
    whole = np.take(whole, range(tiled(op.x).shape[dim]), axis=dim + 1)  # drops the padding
    return np.moveaxis(np.broadcast_to(whole, (len(line), *whole.shape)), 0, _ALONG[op.axis]).copy()


def _multiply(op: collective.Multiply, rows: Array, matrix: Array, result: TiledType) -> Array:
    """All blocks of rows on all PEs of their line, products, sums along the other axis."""
    m, k, _ = op.letters()
    given = tiled(op.rows)
    split = given.layout.splits[op.rows_dims.index(m)]
    summed = given.layout.splits[op.rows_dims.index(k)]
    assert split is not None
    assert summed is not None
    along, across = _ALONG[split.axis], _ALONG[summed.axis]
    count = -(-given.shape[op.rows_dims.index(m)] // split.block)
    held = np.take(rows, range(split.first, split.first + count), axis=along)
    blocks = np.concatenate(list(np.moveaxis(held, along, 0)), axis=op.rows_dims.index(m) + 1)
    everywhere = np.stack([blocks] * rows.shape[along], axis=along)
    y, x = [c for c in string.ascii_letters if c not in op.rows_dims + op.matrix_dims][:2]
    letters = (y + x + dims for dims in (op.rows_dims, op.matrix_dims, op.out_dims))
    if op.wide:
        everywhere, matrix = everywhere.astype(np.float32), matrix.astype(np.float32)
    parts = np.moveaxis(arrays.contract(everywhere, matrix, *letters), across, 0)
    total = parts[0]
    for part in parts[1 : -(-given.shape[op.rows_dims.index(k)] // summed.block)]:
        total = scalar.binary("add", total, part)
    done = np.zeros((parts.shape[0], *_moved(rows, result, across)), total.dtype)
    for number, block in enumerate(np.split(total, count, axis=op.out_dims.index(m) + 1)):
        done[op.first + number] = block
    return np.moveaxis(done, 0, across)


def _moved(rows: Array, result: TiledType, across: int) -> tuple[int, ...]:
    """The shape of one line's tiles of the result: [PEs along the other axis, *local shape]."""
    return (rows.shape[1 - across], *result.local_shape)


def _shard(op: tile_move.Shard, x: Array, result: TiledType) -> Array:
    shape = (*x.shape[:2], *result.local_shape)
    tiles = np.zeros(shape, x.dtype)
    for pe in np.ndindex(*x.shape[:2]):
        start = pe[_ALONG[op.axis]] * op.block
        block = np.take(x[pe], range(start, min(start + op.block, x.shape[op.dim + 2])), op.dim)
        tiles[pe][(slice(None),) * op.dim + (slice(block.shape[op.dim]),)] = block
    return tiles


def _starts(given: TiledType, dim: int, shape: Sequence[int]) -> NDArray[np.intp]:
    """First index of each PE's block of a dimension: [height, width]."""
    height, width = shape
    split = given.layout.splits[dim]
    if split is None:
        return np.zeros((height, width), np.intp)
    y, x = np.mgrid[:height, :width]
    return np.asarray((y if split.axis == "y" else x) * split.block, np.intp)


def _causal_mask(op: tile_compute.CausalMask, x: Array, given: TiledType) -> Array:
    row_starts = _starts(given, given.rank - 2, x.shape[:2])
    column_starts = _starts(given, given.rank - 1, x.shape[:2])
    rows = np.add.outer(row_starts, np.arange(given.local_shape[-2]))
    columns = np.add.outer(column_starts, np.arange(given.local_shape[-1]))
    hidden = np.greater(columns[:, :, None, :], rows[:, :, :, None] + op.offset)
    between = (1,) * (given.rank - 2)
    hidden = hidden.reshape(*x.shape[:2], *between, *x.shape[-2:])
    return np.where(hidden, x.dtype.type(-np.inf), x)


def _gather_rows(op: tile_compute.GatherRows, tiles: Tiles) -> Array:
    table, ids = tiles[op.table], tiles[op.ids]
    starts = _starts(tiled(op.table), 0, table.shape[:2])
    local = ids - starts.reshape(*starts.shape, *(1,) * (ids.ndim - 2))
    return _per_pe(arrays.embedding, table, local)
