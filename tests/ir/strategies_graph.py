"""Graph programs that verify: every operation, with operands that suit it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from waferc_ir.diagnostics import Location
from waferc_ir.dtypes import DType
from waferc_ir.ops import graph_compute as compute
from waferc_ir.ops import graph_move as move
from waferc_ir.ops import graph_structure as structure
from waferc_ir.ops.declare import Op
from waferc_ir.ops.functions import ARITHMETIC, COMPARE, LOGICAL, UNARY
from waferc_ir.program import Builder, Program, Value
from waferc_ir.types import TensorType

Shape = tuple[int, ...]

FLOATS = (DType.F32, DType.F16)
NAMES = st.text(min_size=1, max_size=8)
NUMBERS = st.floats(-4.0, 4.0, width=16) | st.sampled_from([math.inf, -math.inf, -0.0, 1e-30])
PLACES = st.none() | st.builds(
    Location, st.sampled_from(["model.py", "a b.py"]), st.integers(1, 99), st.integers(1, 40)
)


def shapes(min_rank: int = 0, max_rank: int = 4, max_extent: int = 5) -> st.SearchStrategy[Shape]:
    extents = st.integers(1, max_extent)
    return st.lists(extents, min_size=min_rank, max_size=max_rank).map(tuple)


class Growing:
    """A program that grows, and ways to pick from its values or to add parameters to it."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.builder = Builder()
        self.values: list[Value] = []
        self.labels = 0

    def label(self) -> str:
        self.labels += 1
        return f"{self.draw(NAMES)}{self.labels}"

    def add(self, op: Op) -> Value:
        value = self.builder.add(op, self.draw(PLACES))
        self.values.append(value)
        return value

    def parameter(self, shape: Shape, dtype: DType) -> Value:
        return self.add(structure.Parameter(self.label(), shape, dtype))

    def pick(
        self, dtypes: Sequence[DType] = tuple(DType), min_rank: int = 0, max_rank: int = 9
    ) -> tuple[Value, TensorType]:
        """A value of one of `dtypes` with so many dimensions; a parameter if there is none."""
        suitable = [
            value
            for value in self.values
            if isinstance(value.type, TensorType)
            and value.type.dtype in dtypes
            and min_rank <= value.type.rank <= max_rank
        ]
        if not suitable:
            shape = self.draw(shapes(min_rank, min(max_rank, max(min_rank, 4))))
            suitable = [self.parameter(shape, dtypes[0])]
        value = self.draw(st.sampled_from(suitable))
        assert isinstance(value.type, TensorType)
        return value, value.type

    def broadcastable(self, type: TensorType, dtype: DType) -> Value:
        """A parameter whose shape broadcasts with `type`'s."""
        ones = self.draw(st.lists(st.booleans(), min_size=type.rank, max_size=type.rank))
        shape = tuple(1 if one else extent for one, extent in zip(ones, type.shape, strict=True))
        return self.parameter(shape[self.draw(st.integers(0, type.rank)) :], dtype)


def _unary(g: Growing) -> Op:
    fn = g.draw(st.sampled_from(UNARY))
    x, _ = g.pick(tuple(DType) if fn == "logical_not" else FLOATS)
    return compute.Unary(x, fn)


def _binary(g: Growing) -> Op:
    x, type = g.pick()
    fns = (*LOGICAL, *COMPARE) if type.dtype is DType.BOOL else (*ARITHMETIC, *COMPARE)
    fn = g.draw(st.sampled_from([f for f in fns if type.dtype.is_float or f != "div"]))
    return compute.Binary(x, g.broadcastable(type, type.dtype), fn)


def _binary_scalar(g: Growing) -> Op:
    x, _ = g.pick(FLOATS)
    fn = g.draw(st.sampled_from((*ARITHMETIC, *COMPARE)))
    return compute.BinaryScalar(x, fn, g.draw(NUMBERS), reverse=g.draw(st.booleans()))


def _select(g: Growing) -> Op:
    x, type = g.pick()
    return compute.Select(g.broadcastable(type, DType.BOOL), x, g.broadcastable(type, type.dtype))


def _cast(g: Growing) -> Op:
    return compute.Cast(g.pick()[0], g.draw(st.sampled_from(DType)))


def _reduce(g: Growing) -> Op:
    x, type = g.pick(FLOATS, min_rank=1)
    dims = g.draw(st.sets(st.integers(0, type.rank - 1), min_size=1))
    fn = g.draw(st.sampled_from(["sum", "max", "min", "mean"]))
    return compute.Reduce(x, fn, tuple(sorted(dims)), keepdim=g.draw(st.booleans()))


def _softmax(g: Growing) -> Op:
    x, type = g.pick(FLOATS, min_rank=1)
    dim = g.draw(st.integers(0, type.rank - 1))
    return compute.Softmax(x, dim, log=g.draw(st.booleans()))


def _layer_norm(g: Growing) -> Op:
    x, type = g.pick(FLOATS, min_rank=1)
    rank = g.draw(st.integers(1, type.rank))
    weight = g.parameter(type.shape[-rank:], type.dtype) if g.draw(st.booleans()) else None
    bias = g.parameter(type.shape[-rank:], type.dtype) if g.draw(st.booleans()) else None
    return compute.LayerNorm(x, weight, bias, rank, 1e-5)


def _rms_norm(g: Growing) -> Op:
    x, type = g.pick(FLOATS, min_rank=1)
    weight = g.parameter(type.shape[-1:], type.dtype) if g.draw(st.booleans()) else None
    return compute.RmsNorm(x, weight, 1, 1e-6)


def _matmul(g: Growing) -> Op:
    x, type = g.pick(FLOATS, min_rank=2)
    leading = type.shape[: g.draw(st.sampled_from([0, type.rank - 2]))]
    return compute.MatMul(x, g.parameter((*leading, type.shape[-1], 3), type.dtype))


def _linear(g: Growing) -> Op:
    x, type = g.pick(FLOATS, min_rank=1)
    features = g.draw(st.integers(1, 4))
    bias = g.parameter((features,), type.dtype) if g.draw(st.booleans()) else None
    return compute.Linear(x, g.parameter((features, type.shape[-1]), type.dtype), bias)


def _attention(g: Growing) -> Op:
    query, type = g.pick(FLOATS, min_rank=3, max_rank=4)
    tokens = g.draw(st.integers(1, 4))
    shape = (*type.shape[:-2], tokens, type.shape[-1])
    key, value = g.parameter(shape, type.dtype), g.parameter(shape, type.dtype)
    mask_type = g.draw(st.sampled_from([None, DType.BOOL, type.dtype]))
    mask = None if mask_type is None else g.parameter((type.shape[-2], tokens), mask_type)
    return compute.Attention(query, key, value, mask, g.draw(st.booleans()), 0.5)


def _embedding(g: Growing) -> Op:
    ids, _ = g.pick((DType.I32, DType.I16), max_rank=3)
    return compute.Embedding(g.parameter((5, 3), DType.F32), ids)


def _conv2d(g: Growing) -> Op:
    x, type = g.pick(FLOATS, min_rank=4, max_rank=4)
    groups = g.draw(st.sampled_from([1, type.shape[1]]))
    shape = (2 * groups, type.shape[1] // groups, 2, 1)
    bias = g.parameter((2 * groups,), type.dtype) if g.draw(st.booleans()) else None
    weight = g.parameter(shape, type.dtype)
    stride = g.draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    return compute.Conv2d(x, weight, bias, stride, (1, g.draw(st.integers(0, 1))), (1, 1), groups)


def _pool2d(g: Growing) -> Op:
    x, type = g.pick(FLOATS, min_rank=4, max_rank=4)
    kernel = (g.draw(st.integers(1, type.shape[2])), g.draw(st.integers(1, type.shape[3])))
    padding = (g.draw(st.integers(0, kernel[0] // 2)), g.draw(st.integers(0, kernel[1] // 2)))
    fn = g.draw(st.sampled_from(["max", "mean"]))
    return compute.Pool2d(x, fn, kernel, (1, 2), padding, count_padding=g.draw(st.booleans()))


def _contract(g: Growing) -> Op:
    x, type = g.pick(FLOATS, min_rank=1, max_rank=4)
    letters = "abcd"[: type.rank]
    shared = g.draw(st.sets(st.sampled_from(letters), min_size=1))
    summed = g.draw(st.sets(st.sampled_from(sorted(shared))))
    rhs = "".join(sorted(shared)) + "n"
    extents = dict(zip(letters, type.shape, strict=True)) | {"n": 2}
    out = "".join(g.draw(st.permutations(sorted({*letters, "n"} - summed))))
    other = g.parameter(tuple(extents[letter] for letter in rhs), type.dtype)
    wide = type.dtype is DType.F16 and g.draw(st.booleans())
    return compute.Contract(x, other, letters, rhs, out, wide)


def _causal_mask(g: Growing) -> Op:
    return compute.CausalMask(g.pick(FLOATS, min_rank=2)[0], g.draw(st.integers(-2, 2)))


def _reshape(g: Growing) -> Op:
    x, type = g.pick()
    flat = (type.elements,)
    split = next((n for n in (2, 3, 5) if type.elements % n == 0), 1)
    shape = g.draw(st.sampled_from([flat, (split, type.elements // split), (1, *type.shape)]))
    return move.Reshape(x, shape)


def _permute(g: Growing) -> Op:
    x, type = g.pick()
    return move.Permute(x, tuple(g.draw(st.permutations(range(type.rank)))))


def _slice(g: Growing) -> Op:
    x, type = g.pick(min_rank=1)
    dim = g.draw(st.integers(0, type.rank - 1))
    start = g.draw(st.integers(0, type.shape[dim] - 1))
    stop = g.draw(st.integers(start + 1, type.shape[dim]))
    return move.Slice(x, dim, start, stop, g.draw(st.integers(1, 3)))


def _concat(g: Growing) -> Op:
    x, type = g.pick(min_rank=1)
    dim = g.draw(st.integers(0, type.rank - 1))
    shape = (*type.shape[:dim], g.draw(st.integers(1, 3)), *type.shape[dim + 1 :])
    return move.Concat((x, g.parameter(shape, type.dtype), x), dim)


def _expand(g: Growing) -> Op:
    x, type = g.pick(max_rank=3)
    front = g.draw(shapes(max_rank=1))
    grown = (g.draw(st.integers(1, 3)) if extent == 1 else extent for extent in type.shape)
    return move.Expand(x, (*front, *grown))


def _pad(g: Growing) -> Op:
    x, type = g.pick(FLOATS)
    paddings = st.lists(st.integers(0, 2), min_size=type.rank, max_size=type.rank).map(tuple)
    return move.Pad(x, g.draw(paddings), g.draw(paddings), g.draw(NUMBERS))


def _fill(g: Growing) -> Op:
    return structure.Fill(g.draw(NUMBERS), g.draw(shapes()), g.draw(st.sampled_from(FLOATS)))


MAKERS: tuple[Callable[[Growing], Op], ...] = (
    _unary,
    _binary,
    _binary_scalar,
    _select,
    _cast,
    _reduce,
    _softmax,
    _layer_norm,
    _rms_norm,
    _matmul,
    _linear,
    _attention,
    _embedding,
    _conv2d,
    _pool2d,
    _contract,
    _causal_mask,
    _reshape,
    _permute,
    _slice,
    _concat,
    _expand,
    _pad,
    _fill,
)


@st.composite
def graph_programs(draw: st.DrawFn, max_ops: int = 8) -> Program:
    """Graph programs that verify, with up to `max_ops` operations besides inputs and parameters.

    Some have entries over common parameters and states.
    """
    growing = Growing(draw)
    entries = draw(st.sampled_from([0, 0, 1, 2]))
    shared: list[Value] = []
    if entries:
        for _ in range(draw(st.integers(0, 2))):
            kind = draw(st.sampled_from([structure.Parameter, structure.State]))
            growing.add(kind(growing.label(), draw(shapes()), DType.F32))
        shared = growing.values
    states = [s.result for s in growing.builder.statements if isinstance(s.op, structure.State)]
    for entry in range(max(1, entries)):
        if entries:
            growing.builder.effect(structure.Entry(f"{draw(NAMES)}{entry}"), draw(PLACES))
            growing.values = [*shared]
        for _ in range(draw(st.integers(1, 2))):
            dtype = draw(st.sampled_from([DType.F32, DType.F32, DType.F16, DType.I32, DType.BOOL]))
            growing.add(structure.Input(growing.label(), draw(shapes()), dtype))
        for _ in range(draw(st.integers(0, max_ops))):
            growing.add(draw(st.sampled_from(MAKERS))(growing))
        for value in draw(st.lists(st.sampled_from(growing.values), min_size=1, max_size=2)):
            growing.builder.effect(structure.Output(value, growing.label()), draw(PLACES))
        for state in states:
            assert state is not None
            fitting = [value for value in growing.values if value.type == state.type]
            stored = draw(st.none() | st.sampled_from(fitting))
            if stored is not None:
                growing.builder.effect(structure.Store(state, stored), draw(PLACES))
    return Program("graph", draw(NAMES), tuple(growing.builder.statements))
