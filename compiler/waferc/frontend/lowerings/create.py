"""Tensors that are made from numbers."""

from __future__ import annotations

from waferc.frontend.lowerings.declare import Call, Results, lowers
from waferc_ir.ops.graph_structure import Fill
from waferc_ir.program import Value


def _fill(call: Call, value: float) -> Value:
    kind = call.result
    return call.add(Fill(float(value), kind.shape, kind.dtype))


@lowers("aten.full_like.default")
def _full(call: Call) -> Results:
    return _fill(call, call.number("fill_value"))
