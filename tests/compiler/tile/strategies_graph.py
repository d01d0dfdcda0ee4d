"""Random decomposed graph programs, small, of every primitive operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from waferc_ir.dtypes import DType
from waferc_ir.ops import graph_compute, graph_move, graph_structure
from waferc_ir.program import Builder, Program, Statement, Value
from waferc_ir.types import TensorType

Array = NDArray[Any]

_UNARY = ("neg", "abs", "exp", "tanh", "sigmoid", "relu", "gelu", "rsqrt", "floor", "cos")
_BINARY = ("add", "sub", "mul", "div", "max", "min")
_COMPARE = ("lt", "ge", "eq")


@dataclass
class Drawing:
    """A graph program that is being drawn, with the arrays of its inputs and parameters."""

    draw: Callable[..., Any]
    builder: Builder = field(default_factory=Builder)
    inputs: dict[str, Array] = field(default_factory=lambda: {})
    weights: dict[str, Array] = field(default_factory=lambda: {})
    floats: list[Value] = field(default_factory=lambda: [])
    may_have_state: bool = False
    shared: list[Value] = field(default_factory=lambda: [])  # common to entries
    states: list[Value] = field(default_factory=lambda: [])

    def source(self, shape: tuple[int, ...], dtype: DType = DType.F32, high: int = 0) -> Value:
        """An input or parameter, new or one that is shared; integers are below `high`."""
        fitting = [v for v in self.shared if v.type == TensorType(shape, dtype)]
        if fitting and self.draw(st.booleans()):
            return self.draw(st.sampled_from(fitting))
        number = len(self.inputs) + len(self.weights)
        random = np.random.default_rng(number)
        if dtype is DType.I32:
            array = random.integers(0, high, shape).astype(np.int32)
        else:
            array = random.standard_normal(shape).astype(dtype.numpy)
        if self.draw(st.booleans()) or not self.inputs:
            self.inputs[f"x{number}"] = array
            return self.builder.add(graph_structure.Input(f"x{number}", shape, dtype))
        self.weights[f"w{number}"] = array
        if self.may_have_state and dtype is DType.F32 and self.draw(st.booleans()):
            self.states.append(self.builder.add(graph_structure.State(f"w{number}", shape, dtype)))
            return self.states[-1]
        return self.builder.add(graph_structure.Parameter(f"w{number}", shape, dtype))

    def value(self) -> Value:
        """Some float value that exists."""
        return self.draw(st.sampled_from(self.floats))


def shape_of(value: Value) -> tuple[int, ...]:
    assert isinstance(value.type, TensorType)
    return value.type.shape


def _elementwise(d: Drawing, x: Value) -> Value:
    if d.draw(st.booleans()):
        return d.builder.add(graph_compute.Unary(x, d.draw(st.sampled_from(_UNARY))))
    fn, reverse = d.draw(st.sampled_from(_BINARY)), d.draw(st.booleans())
    return d.builder.add(graph_compute.BinaryScalar(x, fn, 1.5, reverse))


def _broadcast(d: Drawing, x: Value) -> Value:
    shape = shape_of(x)
    kept = d.draw(st.lists(st.booleans(), min_size=len(shape), max_size=len(shape)))
    other = tuple(n if keep else 1 for n, keep in zip(shape, kept, strict=True))
    rhs = d.source(other[d.draw(st.integers(0, len(shape))) :])
    return d.builder.add(graph_compute.Binary(x, rhs, d.draw(st.sampled_from(_BINARY))))


def _select(d: Drawing, x: Value) -> Value:
    condition = d.builder.add(
        graph_compute.BinaryScalar(x, d.draw(st.sampled_from(_COMPARE)), 0.25)
    )
    other = d.source(shape_of(x))
    return d.builder.add(graph_compute.Select(condition, x, other))


def _reduce(d: Drawing, x: Value) -> Value:
    rank = len(shape_of(x))
    dims = d.draw(st.lists(st.integers(0, rank - 1), min_size=1, max_size=rank, unique=True))
    fn = d.draw(st.sampled_from(("sum", "max", "min")))
    return d.builder.add(graph_compute.Reduce(x, fn, tuple(sorted(dims)), d.draw(st.booleans())))


def _softmax(d: Drawing, x: Value) -> Value:
    add = d.builder.add
    dim = (d.draw(st.integers(0, len(shape_of(x)) - 1)),)
    shifted = add(graph_compute.Binary(x, add(graph_compute.Reduce(x, "max", dim, True)), "sub"))
    powers = add(graph_compute.Unary(shifted, "exp"))
    return add(
        graph_compute.Binary(powers, add(graph_compute.Reduce(powers, "sum", dim, True)), "div")
    )


def _contract(d: Drawing, x: Value) -> Value:
    letters = "abcde"[: len(shape_of(x))]
    role = {c: d.draw(st.sampled_from(("batch", "summed", "lhs"))) for c in letters}
    shared = [c for c in letters if role[c] != "lhs"]
    rhs_letters = d.draw(st.permutations([*shared, "n"]))
    extents = dict(zip(letters, shape_of(x), strict=True)) | {"n": d.draw(st.integers(1, 9))}
    rhs = d.source(tuple(extents[c] for c in rhs_letters))
    out = [c for c in letters if role[c] != "summed"]
    out = d.draw(st.permutations([*out, "n"]))
    return d.builder.add(
        graph_compute.Contract(x, rhs, letters, "".join(rhs_letters), "".join(out))
    )


def _causal(d: Drawing, x: Value) -> Value:
    if len(shape_of(x)) < 2:
        return x
    masked = d.builder.add(graph_compute.CausalMask(x, d.draw(st.integers(-1, 3))))
    return d.builder.add(graph_compute.Unary(masked, "exp"))


def _permute(d: Drawing, x: Value) -> Value:
    order = d.draw(st.permutations(range(len(shape_of(x)))))
    return d.builder.add(graph_move.Permute(x, tuple(order)))


def _reshape(d: Drawing, x: Value) -> Value:
    shape = list(shape_of(x))
    if d.draw(st.booleans()) and len(shape) > 1:
        at = d.draw(st.integers(0, len(shape) - 2))
        shape[at : at + 2] = [shape[at] * shape[at + 1]]
    else:
        at = d.draw(st.integers(0, len(shape) - 1))
        inner = d.draw(st.sampled_from([n for n in range(1, 9) if shape[at] % n == 0]))
        shape[at : at + 1] = [shape[at] // inner, inner]
    return d.builder.add(graph_move.Reshape(x, tuple(shape)))


def _slice(d: Drawing, x: Value) -> Value:
    shape = shape_of(x)
    dim: int = d.draw(st.integers(0, len(shape) - 1))
    start: int = d.draw(st.integers(0, shape[dim] - 1))
    stop = d.draw(st.integers(start + 1, shape[dim]))
    return d.builder.add(graph_move.Slice(x, dim, start, stop, d.draw(st.integers(1, 2))))


def _concat(d: Drawing, x: Value) -> Value:
    dim = d.draw(st.integers(0, len(shape_of(x)) - 1))
    other = d.builder.add(graph_compute.Unary(x, "tanh"))
    return d.builder.add(graph_move.Concat((x, other, x), dim))


def _pad(d: Drawing, x: Value) -> Value:
    rank = len(shape_of(x))
    widths = st.lists(st.integers(0, 2), min_size=rank, max_size=rank).map(tuple)
    return d.builder.add(graph_move.Pad(x, d.draw(widths), d.draw(widths), 1.0))


def _expand(d: Drawing, x: Value) -> Value:
    shape = tuple(3 if n == 1 else n for n in shape_of(x))
    return d.builder.add(graph_move.Expand(x, (2, *shape) if len(shape) < 4 else shape))


def _embedding(d: Drawing, x: Value) -> Value:
    shape = shape_of(x)
    if len(shape) != 2:
        return x
    ids = d.source((d.draw(st.integers(1, 7)),), DType.I32, high=shape[0])
    return d.builder.add(graph_compute.Embedding(x, ids))


def _convolution(d: Drawing, x: Value) -> Value:
    shape = shape_of(x)
    if len(shape) != 4 or min(shape[2:]) < 2:
        return x
    groups = d.draw(st.sampled_from([g for g in (1, 2) if shape[1] % g == 0]))
    weight = d.source((2 * d.draw(st.integers(1, 3)), shape[1] // groups, 2, 1))
    return d.builder.add(
        graph_compute.Conv2d(
            x, weight, None, (1, d.draw(st.integers(1, 2))), (0, 0), (1, 1), groups
        )
    )


def _pool(d: Drawing, x: Value) -> Value:
    shape = shape_of(x)
    if len(shape) != 4 or min(shape[2:]) < 2:
        return x
    fn = d.draw(st.sampled_from(("max", "mean")))
    return d.builder.add(graph_compute.Pool2d(x, fn, (2, 2), (2, 1), (0, 0)))


_STEPS = (
    _elementwise, _elementwise, _broadcast, _select, _reduce, _softmax, _contract, _contract,
    _causal, _permute, _reshape, _reshape, _slice, _concat, _pad, _expand, _embedding,
    _convolution, _pool,
)  # fmt: skip


@st.composite
def graphs(
    draw: Callable[..., Any], max_steps: int = 6, *, may_have_state: bool = False
) -> tuple[Program, dict[str, Array], dict[str, Array]]:
    """A graph program with arrays for its inputs and its parameters, perhaps with states."""
    drawing = Drawing(draw, may_have_state=may_have_state)
    _draw_entry(drawing, max_steps, "")
    statements = tuple(drawing.builder.statements)
    return Program("graph", "drawn", statements), drawing.inputs, drawing.weights


def _draw_entry(drawing: Drawing, max_steps: int, suffix: str) -> None:
    """An input, operations, outputs and stores; labels of outputs end in `suffix`."""
    draw = drawing.draw
    drawing.floats.append(drawing.source(draw(_SHAPES)))
    for _ in range(draw(st.integers(1, max_steps))):
        step = draw(st.sampled_from(_STEPS))
        x = drawing.value()
        result = step(drawing, x)
        shape = shape_of(result)
        if result is not x and len(shape) in range(1, 5) and np.prod(shape) <= 4000:
            drawing.floats.append(result)
    sources = [*drawing.states, *drawing.shared]
    computed = [value for value in drawing.floats if value not in sources]
    if not computed:
        computed = [drawing.builder.add(graph_compute.Unary(drawing.floats[0], "neg"))]
        drawing.floats += computed
    drawing.builder.effect(graph_structure.Output(computed[-1], f"last{suffix}"))
    drawing.builder.effect(graph_structure.Output(drawing.value(), f"other{suffix}"))
    for state in drawing.states:
        fitting = [v for v in [*drawing.floats, *drawing.states] if v.type == state.type]
        x = draw(st.sampled_from(fitting))
        if not suffix or draw(st.booleans()):
            drawing.builder.effect(graph_structure.Store(state, x))


_SHAPES = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)


@st.composite
def _tied_entries(
    draw: Callable[..., Any], max_steps: int = 4
) -> tuple[Program, dict[str, Array], dict[str, Array]]:
    """Two entries that both read some of what they share, and store to it."""
    drawing = Drawing(draw)
    add = drawing.builder.add
    for number in range(draw(st.integers(1, 3))):
        shape = draw(_SHAPES)
        label = f"s{number}"
        drawing.weights[label] = np.random.default_rng(number).standard_normal(shape).astype("f4")
        if draw(st.booleans()):
            drawing.states.append(add(graph_structure.State(label, shape, DType.F32)))
            drawing.shared.append(drawing.states[-1])
        else:
            drawing.shared.append(add(graph_structure.Parameter(label, shape, DType.F32)))
    for name in "ab":
        drawing.builder.effect(graph_structure.Entry(name))
        drawing.floats = [*drawing.shared]
        _draw_entry(drawing, max_steps, f"_{name}")
    statements = tuple(drawing.builder.statements)
    return Program("graph", "drawn", statements), drawing.inputs, drawing.weights


def twice(program: Program) -> Program:
    """The program as two entries that do the same, `a` and `b`, over its weights and states."""
    sources = (graph_structure.Parameter, graph_structure.State)
    common = [s for s in program.statements if isinstance(s.op, sources)]
    statements = [*common]
    for entry in "ab":
        statements.append(Statement(graph_structure.Entry(entry), None))
        values: dict[Value, Value] = {}
        for statement in program.statements:
            if statement in common:
                continue
            result = statement.result
            if result is not None:
                values[result] = Value(result.type)
            op = statement.op.with_operands(values)
            statements.append(Statement(op, None if result is None else values[result]))
    return program.with_statements(statements)


def graphs_of_entries(max_steps: int = 4) -> st.SearchStrategy[Any]:
    """Graph programs of two entries, `a` and `b`, over common weights and states, with arrays.

    They do different things, or the same: nothing that one does may serve the other.
    """
    twins = graphs(max_steps, may_have_state=True).map(lambda drawn: (twice(drawn[0]), *drawn[1:]))
    return _tied_entries(max_steps) | twins


grids = st.tuples(st.integers(1, 5), st.integers(1, 4))
