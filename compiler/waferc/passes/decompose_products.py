"""Linear layers, matrix products and attention as contractions."""

from __future__ import annotations

import math
import string

from waferc.passes.decompose_norms import softmax
from waferc.passes.decomposing import Decomposing, kind_of, shape_of
from waferc_ir.dtypes import DType
from waferc_ir.ops.graph_compute import Attention, CausalMask, Linear, MatMul, Select, Softmax
from waferc_ir.program import Value

_LEADING = string.ascii_lowercase[:10]  # letters for leading dimensions


def linear(to: Decomposing, op: Linear) -> Value:
    """`x` contracted with the weight as it is stored, `[n, k]`, plus the bias."""
    leading = _LEADING[: len(shape_of(op.x)) - 1]
    result = to.contract(op.x, op.weight, f"{leading}k,nk->{leading}n")
    return result if op.bias is None else to.binary("add", result, op.bias)


def matmul(to: Decomposing, op: MatMul) -> Value:
    """A contraction whose letters are the leading dimensions, m, k and n."""
    return product(to, op.lhs, op.rhs, "mk", "kn", "mn")


def product(to: Decomposing, lhs: Value, rhs: Value, left: str, right: str, out: str) -> Value:
    """A contraction of the last two dimensions; leading ones broadcast.

    A leading dimension of extent 1 in one operand and more in the other has no letter in the one:
    it is dropped there.
    """
    leading = [shape_of(lhs)[:-2], shape_of(rhs)[:-2]]
    rank = max(map(len, leading))
    padded = [(1,) * (rank - len(shape)) + shape for shape in leading]
    whole = [max(extents) for extents in zip(*padded, strict=True)]
    letters: list[str] = []
    operands: list[Value] = []
    for operand, shape, own in zip((lhs, rhs), padded, leading, strict=True):
        kept = [dim for dim in range(rank) if dim >= rank - len(own) and (shape[dim] == whole[dim])]
        letters.append("".join(_LEADING[dim] for dim in kept))
        extents = tuple(shape[dim] for dim in kept) + shape_of(operand)[-2:]
        operands.append(to.reshape(operand, extents))
    every = _LEADING[:rank]
    dims = f"{letters[0]}{left},{letters[1]}{right}->{every}{out}"
    return to.contract(operands[0], operands[1], dims)


def attention(to: Decomposing, op: Attention) -> Value:
    """Scores of the scaled queries, masks, softmax, and the weighted sum of the values."""
    query = op.query if op.scale == 1 else to.scalar("mul", op.query, op.scale)
    scores = product(to, query, op.key, "qd", "kd", "qk")
    if op.mask is not None:
        scores = _masked(to, scores, op.mask)
    if op.causal:
        scores = to.add(CausalMask(scores))
    weights = softmax(to, Softmax(scores, len(shape_of(scores)) - 1))
    return product(to, weights, op.value, "qk", "kd", "qd")


def _masked(to: Decomposing, scores: Value, mask: Value) -> Value:
    if kind_of(mask).dtype is not DType.BOOL:
        return to.binary("add", scores, mask)
    kind = kind_of(scores)
    hidden = to.fill(-math.inf, (1,) * kind.rank, kind.dtype)
    return to.add(Select(mask, scores, hidden))
