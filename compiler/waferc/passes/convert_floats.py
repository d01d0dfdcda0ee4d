"""Floats of the whole program in another element type."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from waferc.passes.base import Pass, PassError
from waferc.unit import Unit
from waferc_ir.dtypes import DTYPES, DType
from waferc_ir.ops.declare import Op
from waferc_ir.ops.graph_compute import Cast
from waferc_ir.ops.graph_structure import Fill, Input, Parameter, State
from waferc_ir.program import Builder, Value


@dataclass(frozen=True)
class ConvertFloats(Pass):
    """Give every float of a graph program the element type `dtype` (f32 or f16).

    Inputs, parameters, states, fills and casts are converted, everything else follows. Parameters
    are rounded to nearest; one that overflows is an error. A finite fill beyond what `dtype` holds
    becomes the largest number that it holds: such fills hide scores from a softmax, and -inf
    would make a row that is hidden whole NaN.
    """

    name: ClassVar[str] = "convert-floats"
    dtype: str = "f16"

    def run(self, unit: Unit) -> Unit:
        if self.dtype not in ("f32", "f16"):
            raise PassError(f"convert-floats: dtype is {self.dtype}, not f32 or f16")
        dtype = DTYPES[self.dtype]
        builder = Builder()
        values: dict[Value, Value] = {}
        for statement in unit.program.statements:
            op = _converted(statement.op.with_operands(values), dtype)
            if statement.result is None:
                builder.effect(op, statement.at)
            else:
                values[statement.result] = builder.add(op, statement.at)
        program = unit.program.with_statements(builder.statements)
        return replace(unit, program=program, weights=_rounded(unit.weights, dtype))


def _converted(op: Op, dtype: DType) -> Op:
    if isinstance(op, Fill) and op.dtype.is_float:
        largest = float(np.finfo(dtype.numpy).max)
        value = min(max(op.value, -largest), largest) if math.isfinite(op.value) else op.value
        return replace(op, dtype=dtype, value=value)
    if isinstance(op, Input | Parameter | State | Cast) and op.dtype.is_float:
        return replace(op, dtype=dtype)
    return op


def _rounded(weights: Mapping[str, NDArray[Any]], dtype: DType) -> dict[str, NDArray[Any]]:
    rounded: dict[str, NDArray[Any]] = {}
    for label, array in weights.items():
        if array.dtype.kind != "f":
            rounded[label] = array
            continue
        with np.errstate(over="ignore"):
            rounded[label] = array.astype(dtype.numpy)
        lost = np.isfinite(array) & ~np.isfinite(rounded[label])
        if lost.any():
            raise PassError(
                f"parameter {label!r} has {int(lost.sum()):,} values beyond what {dtype} holds",
                notes=[f"the largest magnitude is {float(np.abs(array[lost]).max()):.6g}"],
                help="compile with dtype f32",
            )
    return rounded
