"""Softmax and the norms."""

from __future__ import annotations

import math

import numpy as np

from waferc.frontend.lowerings.declare import Call, Results, lowers, shape_of, tensor_type
from waferc.frontend.lowerings.elementwise import floating
from waferc_ir.ops.graph_compute import (
    Binary,
    BinaryScalar,
    LayerNorm,
    Reduce,
    RmsNorm,
    Softmax,
    Unary,
)
from waferc_ir.ops.graph_move import Reshape
from waferc_ir.ops.graph_structure import Fill
from waferc_ir.program import Value


@lowers("aten._softmax.default", "aten._log_softmax.default")
def _softmax(call: Call) -> Results:
    x = floating(call, "self")
    rank = len(shape_of(x))
    log = "_log_" in call.node.target
    if rank == 0:
        return call.add(Fill(0.0 if log else 1.0, (), tensor_type(x).dtype))
    return call.add(Softmax(x, call.dim("dim", rank), log))


@lowers("aten.layer_norm.default")
def _layer_norm(call: Call) -> Results:
    x = call.tensor("input")
    weight, bias = call.optional_tensor("weight"), call.optional_tensor("bias")
    rank = len(call.integers("normalized_shape"))
    return call.add(LayerNorm(x, weight, bias, rank, call.number("eps")))


@lowers("aten.rms_norm.default")
def _rms_norm(call: Call) -> Results:
    x, weight = call.tensor("input"), call.optional_tensor("weight")
    eps = call.optional_number("eps")
    if eps is None:  # torch's default: the resolution of the element type
        eps = float(np.finfo(tensor_type(x).dtype.numpy).eps)
    return call.add(RmsNorm(x, weight, len(call.integers("normalized_shape")), eps))


@lowers("aten.group_norm.default")
def _group_norm(call: Call) -> Results:
    x = call.tensor("input")
    weight, bias = call.optional_tensor("weight"), call.optional_tensor("bias")
    return _grouped(call, x, call.integer("num_groups"), weight, bias)


def _grouped(call: Call, x: Value, groups: int, weight: Value | None, bias: Value | None) -> Value:
    shape = shape_of(x)
    flat = call.add(Reshape(x, (shape[0], groups, math.prod(shape[1:]) // groups)))
    normed = call.add(LayerNorm(flat, None, None, 1, call.number("eps")))
    result = call.add(Reshape(normed, shape))
    if weight is not None:
        result = call.add(Binary(result, per_channel(call, weight, len(shape)), "mul"))
    if bias is not None:
        result = call.add(Binary(result, per_channel(call, bias, len(shape)), "add"))
    return result


def per_channel(call: Call, x: Value, rank: int) -> Value:
    """`[c]` as `[1, c, 1, ...]` with `rank` dimensions."""
    return call.add(Reshape(x, (1, *shape_of(x), *(1,) * (rank - 2))))


@lowers("aten._native_batch_norm_legit_no_training.default")
def _batch_norm(call: Call) -> Results:
    """`x * scale + shift` by channel; both depend on parameters alone and are folded later."""
    if call.used - {0}:
        raise call.refuse("yields mean and variance, which only training needs")
    x = call.tensor("input")
    rank = len(shape_of(x))
    variance = call.add(BinaryScalar(call.tensor("running_var"), "add", call.number("eps")))
    scale = call.add(Unary(variance, "rsqrt"))
    weight, bias = call.optional_tensor("weight"), call.optional_tensor("bias")
    if weight is not None:
        scale = call.add(Binary(scale, weight, "mul"))
    shift = call.add(Unary(call.add(Binary(call.tensor("running_mean"), scale, "mul")), "neg"))
    if bias is not None:
        shift = call.add(Binary(shift, bias, "add"))
    scaled = call.add(Binary(x, per_channel(call, scale, rank), "mul"))
    return call.add(Binary(scaled, per_channel(call, shift, rank), "add")), None, None


@lowers("aten._native_batch_norm_legit.no_stats")
def _instance_norm(call: Call) -> Results:
    """Normalised by the input's own mean and variance by channel, as instance norm does."""
    if call.used - {0}:
        raise call.refuse("yields mean and variance, which only training needs")
    x = call.tensor("input")
    rank = len(shape_of(x))
    dims = tuple(dim for dim in range(rank) if dim != 1)
    centred = call.add(Binary(x, call.add(Reduce(x, "mean", dims, keepdim=True)), "sub"))
    squares = call.add(Binary(centred, centred, "mul"))
    variance = call.add(Reduce(squares, "mean", dims, keepdim=True))
    scale = call.add(Unary(call.add(BinaryScalar(variance, "add", call.number("eps"))), "rsqrt"))
    result = call.add(Binary(centred, scale, "mul"))
    weight, bias = call.optional_tensor("weight"), call.optional_tensor("bias")
    if weight is not None:
        result = call.add(Binary(result, per_channel(call, weight, rank), "mul"))
    if bias is not None:
        result = call.add(Binary(result, per_channel(call, bias, rank), "add"))
    return result, None, None
