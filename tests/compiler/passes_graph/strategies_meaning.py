"""Graph programs with data, whose results do not hang on the last bit of what they compute."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.ir.strategies_graph import MAKERS, NAMES, Growing, shapes

from waferc.unit import Unit
from waferc_ir.dtypes import DType
from waferc_ir.machine import machine
from waferc_ir.ops import graph_compute as compute
from waferc_ir.ops import graph_move as move
from waferc_ir.ops import graph_structure as structure
from waferc_ir.ops.declare import Op
from waferc_ir.program import Program
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
        if isinstance(statement.op, structure.Input | structure.Parameter):
            into = inputs if isinstance(statement.op, structure.Input) else weights
            into[statement.op.label] = _draw(source, statement.op.shape, statement.op.dtype)
    return Unit(program, weights, machine("wse3")), inputs


def _draw(source: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> NDArray[Any]:
    if dtype.is_float:
        return np.asarray(source.uniform(-2, 2, shape)).astype(dtype.numpy)
    return np.asarray(source.integers(0, 2 if dtype is DType.BOOL else 5, shape)).astype(
        dtype.numpy
    )
