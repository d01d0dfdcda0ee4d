"""Rules for data movement: compose what follows on each other, drop what moves nothing."""

from __future__ import annotations

import math
from dataclasses import replace

from waferc.passes.simplifying import Simplifying, shape_of
from waferc_ir.ops.graph_compute import (
    Binary,
    BinaryScalar,
    Cast,
    Contract,
    Reduce,
    Select,
    Unary,
)
from waferc_ir.ops.graph_move import Concat, Expand, Pad, Permute, Reshape, Slice
from waferc_ir.ops.graph_structure import Fill
from waferc_ir.program import Value


def reshape(to: Simplifying, op: Reshape) -> Value | None:
    """To the same shape: nothing. Of a reshape: one reshape. Of a fill: a fill."""
    return _to_shape(to, op)


def permute(to: Simplifying, op: Permute) -> Value | None:
    """In order: nothing. Of a permutation: one. Of extents of 1 alone: a reshape.

    Of a contraction that nothing else reads: the contraction with its result so ordered.
    """
    shape = shape_of(op.x)
    if op.dims == tuple(range(len(shape))):
        return op.x
    moved = [dim for dim in op.dims if shape[dim] != 1]
    if moved == sorted(moved):
        return to.add(Reshape(op.x, tuple(shape[dim] for dim in op.dims)))
    match to.definition(op.x):
        case Permute() as inner:
            return to.add(Permute(inner.x, tuple(inner.dims[dim] for dim in op.dims)))
        case Fill() as inner:
            return to.add(replace(inner, shape=tuple(shape[dim] for dim in op.dims)))
        case Contract() as inner if to.has_one_use(op.x):
            out = "".join(inner.out_dims[dim] for dim in op.dims)
            return to.add(replace(inner, out_dims=out))
        case _:
            return None


def slice_(to: Simplifying, op: Slice) -> Value | None:
    """All of a dimension: nothing. Of a slice of the same dimension: one slice."""
    if (op.start, op.stop, op.step) == (0, shape_of(op.x)[op.dim], 1):
        return op.x
    match to.definition(op.x):
        case Slice(dim=op.dim) as inner:
            start = inner.start + op.start * inner.step
            last = inner.start + (op.stop - 1) * inner.step
            return to.add(Slice(inner.x, op.dim, start, last + 1, inner.step * op.step))
        case Fill() as inner:
            shape = list(shape_of(op.x))
            shape[op.dim] = -(-(op.stop - op.start) // op.step)
            return to.add(replace(inner, shape=tuple(shape)))
        case _:
            return None


def slice_earlier(to: Simplifying, op: Slice) -> Value | None:
    """Of what is cut into parts: the parts computed, permuted or reshaped apart.

    A projection to queries, keys and values becomes three, each with its rows of the weight.
    """
    if op.step != 1 or not to.is_cut_along(op.x, op.dim):
        return None
    match to.definition(op.x):
        case Unary() | BinaryScalar() | Cast() as inner:
            return to.add(replace(inner, x=to.add(replace(op, x=inner.x))))
        case Binary() as inner:
            lhs, rhs = (_sliced_operand(to, side, op) for side in (inner.lhs, inner.rhs))
            return to.add(replace(inner, lhs=lhs, rhs=rhs))
        case Contract() as inner:
            letter = inner.out_dims[op.dim]
            lhs = _sliced_letter(to, inner.lhs, inner.lhs_dims, letter, op)
            rhs = _sliced_letter(to, inner.rhs, inner.rhs_dims, letter, op)
            return to.add(replace(inner, lhs=lhs, rhs=rhs))
        case Permute() as inner:
            return to.add(replace(inner, x=to.add(replace(op, x=inner.x, dim=inner.dims[op.dim]))))
        case Reshape() as inner:
            return _slice_before_reshape(to, op, inner)
        case _:
            return None


def _slice_before_reshape(to: Simplifying, op: Slice, inner: Reshape) -> Value | None:
    """Where the sliced dimension is the outer one of those that one dimension is split into."""
    before, after = shape_of(inner.x), inner.shape
    rows = math.prod(after[: op.dim])
    outermost = (d for d in reversed(range(len(before))) if math.prod(before[:d]) == rows)
    source = next(outermost, None)
    if source is None or before[source] % after[op.dim]:
        return None
    each = before[source] // after[op.dim]
    part = to.add(Slice(inner.x, source, op.start * each, op.stop * each))
    shape = (*after[: op.dim], op.stop - op.start, *after[op.dim + 1 :])
    return to.add(Reshape(part, shape))


def _sliced_operand(to: Simplifying, operand: Value, op: Slice) -> Value:
    """The slice of an operand that is broadcast; where it has extent 1, all of it."""
    dim = op.dim - (len(shape_of(op.x)) - len(shape_of(operand)))
    if dim < 0 or shape_of(operand)[dim] != shape_of(op.x)[op.dim]:
        return operand
    return to.add(replace(op, x=operand, dim=dim))


def _sliced_letter(to: Simplifying, operand: Value, dims: str, letter: str, op: Slice) -> Value:
    return to.add(replace(op, x=operand, dim=dims.index(letter))) if letter in dims else operand


def permute_later(to: Simplifying, op: Unary | BinaryScalar | Cast) -> Value | None:
    """Of a permutation: the permutation of the result, on its way to a contraction."""
    inner = to.definition(op.x)
    if not isinstance(inner, Permute) or not to.has_one_use(op.x):
        return None
    return to.add(Permute(to.add(replace(op, x=inner.x)), inner.dims))


def expand(to: Simplifying, op: Expand) -> Value | None:
    """To the same shape: nothing. Of an expansion: one. Of a fill: a fill."""
    return _to_shape(to, op)


def _to_shape(to: Simplifying, op: Reshape | Expand) -> Value | None:
    if shape_of(op.x) == op.shape:
        return op.x
    inner = to.definition(op.x)
    if isinstance(inner, Fill):
        return to.add(replace(inner, shape=op.shape))
    if isinstance(inner, Reshape | Expand) and type(inner) is type(op):
        return to.add(replace(op, x=inner.x))
    return None


def concat(to: Simplifying, op: Concat) -> Value | None:
    """Of one part: the part. Of a concatenation along the same dimension: one."""
    if len(op.parts) == 1:
        return op.parts[0]
    parts: list[Value] = []
    for part in op.parts:
        inner = to.definition(part)
        nested = isinstance(inner, Concat) and inner.dim == op.dim and to.has_one_use(part)
        parts += inner.parts if nested and isinstance(inner, Concat) else [part]
    return to.add(Concat(tuple(parts), op.dim)) if len(parts) > len(op.parts) else None


def pad(to: Simplifying, op: Pad) -> Value | None:
    """By nothing: nothing. Of a padding with the same value: one."""
    if not any(op.before) and not any(op.after):
        return op.x
    inner = to.definition(op.x)
    if not isinstance(inner, Pad) or inner.value != op.value:
        return None
    before = tuple(a + b for a, b in zip(inner.before, op.before, strict=True))
    after = tuple(a + b for a, b in zip(inner.after, op.after, strict=True))
    return to.add(Pad(inner.x, before, after, op.value))


def reduce(to: Simplifying, op: Reduce) -> Value | None:
    """Over dimensions of extent 1: a reshape."""
    shape = shape_of(op.x)
    if any(shape[dim] != 1 for dim in op.dims):
        return None
    kept = tuple(n for dim, n in enumerate(shape) if dim not in op.dims)
    return to.add(Reshape(op.x, shape if op.keepdim else kept))


def unexpanded_binary(to: Simplifying, op: Binary) -> Value | None:
    """Of an expanded operand: of the operand itself, where the other one has the full shape."""
    lhs, rhs = _source(to, op.lhs), _source(to, op.rhs)
    full = op.result_type()
    if lhs is not op.lhs and shape_of(op.rhs) == full.shape:
        return to.add(replace(op, lhs=lhs))
    if rhs is not op.rhs and shape_of(op.lhs) == full.shape:
        return to.add(replace(op, rhs=rhs))
    return None


def unexpanded_select(to: Simplifying, op: Select) -> Value | None:
    """Of expanded operands: of the operands themselves, where another has the full shape."""
    full = op.result_type().shape
    given = (op.condition, op.lhs, op.rhs)
    for number, operand in enumerate(given):
        source = _source(to, operand)
        others = [other for index, other in enumerate(given) if index != number]
        if source is not operand and any(shape_of(other) == full for other in others):
            changed = [source if index == number else v for index, v in enumerate(given)]
            return to.add(Select(*changed))
    return None


def _source(to: Simplifying, value: Value) -> Value:
    op = to.definition(value)
    return op.x if isinstance(op, Expand) else value
