"""Writes composite graph operations with primitive ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar

from waferc.passes.base import Pass
from waferc.passes.decompose_norms import layer_norm, mean, rms_norm, softmax
from waferc.passes.decompose_products import attention, linear, matmul
from waferc.passes.decompose_windows import conv2d, pool2d
from waferc.passes.decomposing import Decomposing
from waferc.unit import Unit
from waferc_ir.ops import graph_compute
from waferc_ir.ops.declare import Op
from waferc_ir.program import Builder, Value
from waferc_ir.rewrite import keep, rebuild

DECOMPOSITIONS: Mapping[type[Op], Callable[[Decomposing, Any], Value]] = MappingProxyType(
    {
        graph_compute.Softmax: softmax,
        graph_compute.LayerNorm: layer_norm,
        graph_compute.RmsNorm: rms_norm,
        graph_compute.Reduce: mean,
        graph_compute.Linear: linear,
        graph_compute.MatMul: matmul,
        graph_compute.Attention: attention,
        graph_compute.Conv2d: conv2d,
        graph_compute.Pool2d: pool2d,
    }
)
"""By operation class; each yields the operation itself where it is primitive already."""


@dataclass(frozen=True)
class Decompose(Pass):
    """Write composite operations with the primitive ones.

    Composite are softmax, norms, linear, matmul, attention, mean, and convolution and pooling with
    bias or padding. What is left: input, parameter, fill, output, unary, binary, binary_scalar,
    select, cast, reduce (sum, max, min), contract, causal_mask, embedding, conv2d (no bias, no
    padding), pool2d (no padding), reshape, permute, slice, concat, expand, pad.
    """

    name: ClassVar[str] = "decompose"

    def run(self, unit: Unit) -> Unit:
        weights = dict(unit.weights)

        def visit(builder: Builder, op: Op) -> Value | None:
            if type(op) not in DECOMPOSITIONS:
                return keep(builder, op)
            return DECOMPOSITIONS[type(op)](Decomposing(builder, weights), op)

        return replace(unit, program=rebuild(unit.program, visit), weights=weights)
