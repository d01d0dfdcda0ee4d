"""Tensors that are made from numbers."""

from __future__ import annotations

import numpy as np

from waferc.frontend.lowerings.declare import Call, Results, lowers
from waferc_ir.ops.graph_structure import Fill
from waferc_ir.program import Value


def _fill(call: Call, value: float) -> Value:
    kind = call.result
    return call.add(Fill(float(value), kind.shape, kind.dtype))


@lowers("aten.full.default", "aten.full_like.default", "aten.new_full.default")
def _full(call: Call) -> Results:
    return _fill(call, call.number("fill_value"))


@lowers("aten.zeros.default", "aten.zeros_like.default", "aten.new_zeros.default")
def _zeros(call: Call) -> Results:
    return _fill(call, 0.0)


@lowers("aten.ones.default", "aten.ones_like.default", "aten.new_ones.default")
def _ones(call: Call) -> Results:
    return _fill(call, 1.0)


@lowers("aten.scalar_tensor.default")
def _scalar_tensor(call: Call) -> Results:
    return _fill(call, call.number("s"))


@lowers("aten.fill.Scalar")
def _fill_like(call: Call) -> Results:
    return _fill(call, call.number("value"))


@lowers("aten.arange.start_step")
def _arange(call: Call) -> Results:
    kind = call.result
    start, step = call.number("start"), call.number("step")
    values = start + step * np.arange(kind.shape[0])
    return call.constant(values.astype(kind.dtype.numpy), "range")
