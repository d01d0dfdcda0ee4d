"""Graph programs with data, whose results do not hang on the last bit of what they compute."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.ir.strategies_graph import MAKERS, NAMES, Growing, shapes

from waferc.evaluate.graph import evaluate
from waferc.unit import Unit
from waferc_ir.dtypes import DType
from waferc_ir.entries import entries
from waferc_ir.machine import machine
from waferc_ir.ops import graph_compute as compute
from waferc_ir.ops import graph_move as move
from waferc_ir.ops import graph_structure as structure
from waferc_ir.ops.declare import Op
from waferc_ir.program import Program, Value
from waferc_ir.types import TensorType

Arrays = dict[str, NDArray[Any]]

_SMOOTH = (
    "neg", "abs", "tanh", "sigmoid", "relu", "gelu", "gelu_tanh", "silu", "erf", "sin", "cos",
    "softplus", "logical_not",
)  # fmt: skip
_BOUNDED = ("add", "sub", "mul", "max", "min", "and", "or")


def is_steady(op: Op) -> bool:
    """Whether small errors stay small: no steps, no poles, nothing in f16, no infinities."""
    kind = op.result_type()
    if isinstance(kind, TensorType) and kind.dtype is DType.F16:
        return False
    match op:
        case compute.Unary():
            return op.fn in _SMOOTH
        case compute.Binary():
            return op.fn in _BOUNDED
        case compute.BinaryScalar():
            return op.fn in _BOUNDED and math.isfinite(op.value)
        case compute.Cast():
            return kind is not None and kind.dtype.is_float
        case structure.Fill() | move.Pad():
            return math.isfinite(op.value)
        case _:
            return True


@st.composite
def steady_programs(draw: st.DrawFn, max_ops: int = 8) -> Program:
    """Programs of up to `max_ops` steady operations; every value that nothing reads goes out."""
    growing = Growing(draw)
    for _ in range(draw(st.integers(1, 2))):
        dtype = draw(st.sampled_from([DType.F32, DType.F32, DType.F32, DType.I32, DType.BOOL]))
        growing.add(structure.Input(growing.label(), draw(shapes()), dtype))
    for _ in range(draw(st.integers(1, max_ops))):
        op = draw(st.sampled_from(MAKERS))(growing)
        if is_steady(op):
            growing.add(op)
    return _finished(growing, draw)


class Chaining(Growing):
    """Picks what was computed last, so that operations follow on each other."""

    def pick(
        self, dtypes: Sequence[DType] = tuple(DType), min_rank: int = 0, max_rank: int = 9
    ) -> tuple[Value, TensorType]:
        back = self.draw(st.sampled_from([1, 1, 1, 2]))
        computed = [s.result for s in self.builder.statements if s.op.name != "graph.parameter"]
        for value in computed[-back:]:
            if value is not None and isinstance(value.type, TensorType):
                kind = value.type
                if kind.dtype in dtypes and min_rank <= kind.rank <= max_rank:
                    return value, kind
        return super().pick(dtypes, min_rank, max_rank)


_CHAINED = (
    "_reshape", "_permute", "_permute", "_slice", "_slice", "_concat", "_expand", "_pad",
    "_contract", "_contract", "_linear", "_reduce", "_unary", "_binary_scalar", "_binary",
)  # fmt: skip
_BY_NAME = {maker.__name__: maker for maker in MAKERS}


@st.composite
def chained_programs(draw: st.DrawFn, max_ops: int = 7) -> Program:
    """Programs of data movement and contractions, each of what the one before it yields."""
    growing = Chaining(draw)
    shape = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 4]), min_size=2, max_size=4)))
    growing.add(structure.Input(growing.label(), shape, DType.F32))
    for _ in range(max_ops):
        op = _BY_NAME[draw(st.sampled_from(_CHAINED))](growing)
        if is_steady(op):
            growing.add(op)
    return _finished(growing, draw)


def _finished(growing: Growing, draw: st.DrawFn) -> Program:
    read = {operand for s in growing.builder.statements for operand in s.op.operands()}
    for value in growing.values:
        if value not in read:
            growing.builder.effect(structure.Output(value, growing.label()))
    return Program("graph", draw(NAMES), tuple(growing.builder.statements))


def unit_with_data(program: Program, seed: int) -> tuple[Unit, Arrays]:
    """A unit with random parameters, and random inputs by label."""
    source = np.random.default_rng(seed)
    inputs: Arrays = {}
    weights: Arrays = {}
    for statement in program.statements:
        if isinstance(statement.op, structure.Input | structure.Parameter | structure.State):
            into = inputs if isinstance(statement.op, structure.Input) else weights
            into[statement.op.label] = _draw(source, statement.op.shape, statement.op.dtype)
    return Unit(program, weights, machine("wse3")), inputs


def meanings(unit: Unit, inputs: Arrays) -> Arrays:
    """What every entry gives and leaves in states, each called first, by entry and label."""
    found: Arrays = {}
    for entry in entries(unit.program):
        states: Arrays = {}
        outputs = evaluate(unit.program, inputs, unit.weights, states, entry=entry.label)
        found |= {f"{entry.label} {label}": array for label, array in (outputs | states).items()}
    return found


def _draw(source: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> NDArray[Any]:
    if dtype.is_float:
        return np.asarray(source.uniform(-2, 2, shape)).astype(dtype.numpy)
    return np.asarray(source.integers(0, 2 if dtype is DType.BOOL else 5, shape)).astype(
        dtype.numpy
    )
