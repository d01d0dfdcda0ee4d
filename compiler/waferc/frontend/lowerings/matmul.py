"""Matrix products, and attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc.frontend.lowerings.declare import Call, Results, lowers, shape_of
from waferc.frontend.lowerings.elementwise import arithmetic
from waferc_ir.ops.graph_compute import Attention, Linear, MatMul
from waferc_ir.ops.graph_move import Expand, Reshape
from waferc_ir.program import Value


@lowers("aten.linear.default")
def _linear(call: Call) -> Results:
    x, weight = call.tensor("input"), call.tensor("weight")
    return call.add(Linear(x, weight, call.optional_tensor("bias")))


@lowers("aten.mm.default", "aten.bmm.default")
def _mm(call: Call) -> Results:
    return call.add(MatMul(call.tensor("self"), call.tensor("mat2")))


@lowers("aten.addmm.default")
def _addmm(call: Call) -> Results:
    product = call.add(MatMul(call.tensor("mat1"), call.tensor("mat2")))
    alpha, beta = call.number("alpha"), call.number("beta")
    if alpha != 1:
        product = arithmetic(call, "mul", product, alpha)
    if beta == 0:
        return product
    bias = call.tensor("self")
    if beta != 1:
        bias = arithmetic(call, "mul", bias, beta)
    return arithmetic(call, "add", product, bias)


@lowers("aten.scaled_dot_product_attention.default")
def _attention(call: Call) -> Results:
    if call.number("dropout_p") != 0:
        raise call.refuse("drops attention at random", help="call model.eval() first")
    query, key, value = (call.tensor(name) for name in ("query", "key", "value"))
    if call.flag("enable_gqa"):
        heads = shape_of(query)[-3]
        key, value = _repeat_heads(call, key, heads), _repeat_heads(call, value, heads)
    mask, causal = call.optional_tensor("attn_mask"), call.flag("is_causal")
    scale = call.optional_number("scale")
    if scale is None:
        scale = 1 / math.sqrt(shape_of(query)[-1])
    if mask is not None and _is_causal(call.constant_data(mask)):
        mask, causal = None, True
    return call.add(Attention(query, key, value, mask, causal, float(scale)))


def _is_causal(data: NDArray[Any] | None) -> bool:
    """Whether a constant mask hides exactly the keys after the query."""
    if data is None or data.ndim < 2:
        return False
    lower = np.tril(np.ones(data.shape[-2:], np.bool_))
    if data.dtype == np.bool_:
        return bool(np.all(data == lower))
    return bool(np.all(np.where(lower, data, np.inf) == np.where(lower, 0, -data)))


def _repeat_heads(call: Call, x: Value, heads: int) -> Value:
    """Each head of `[..., h, t, d]` repeated, so that there are `heads`."""
    *leading, own, tokens, width = shape_of(x)
    if own == heads:
        return x
    grouped = call.add(Reshape(x, (*leading, own, 1, tokens, width)))
    grown = call.add(Expand(grouped, (*leading, own, heads // own, tokens, width)))
    return call.add(Reshape(grown, (*leading, heads, tokens, width)))
