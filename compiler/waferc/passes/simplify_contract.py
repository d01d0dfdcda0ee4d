"""Rules for contractions: their letters take over permutations and merged dimensions."""

from __future__ import annotations

import math
import string
from dataclasses import replace

from waferc.passes.simplifying import Simplifying, shape_of
from waferc_ir.ops.graph_compute import Contract
from waferc_ir.ops.graph_move import Permute, Reshape
from waferc_ir.ops.graph_structure import Parameter
from waferc_ir.program import Value


def permuted(to: Simplifying, op: Contract) -> Value | None:
    """Of a permuted operand: the operand as it was, with its letters in that order."""
    lhs, rhs = to.definition(op.lhs), to.definition(op.rhs)
    if isinstance(lhs, Permute):
        return to.add(replace(op, lhs=lhs.x, lhs_dims=_unpermuted(op.lhs_dims, lhs)))
    if isinstance(rhs, Permute):
        return to.add(replace(op, rhs=rhs.x, rhs_dims=_unpermuted(op.rhs_dims, rhs)))
    return None


def _unpermuted(letters: str, permutation: Permute) -> str:
    by_dim = dict(zip(permutation.dims, letters, strict=True))
    return "".join(by_dim[dim] for dim in range(len(letters)))


def merged(to: Simplifying, op: Contract) -> Value | None:
    """Of operands whose dimensions a reshape merges: of the operands as they were, then merged.

    A letter becomes as many as it merges; one that both operands have must be merged alike in
    both, or merged in one and a weight's in the other, which is reshaped. torch writes every
    product of more than three dimensions so, and attention merges its heads before the last
    weight: with the letters apart, either may be split.
    """
    left, right = _merges(to, op.lhs, op.lhs_dims), _merges(to, op.rhs, op.rhs_dims)
    shared = set(op.lhs_dims) & set(op.rhs_dims)
    if _is_own_weight(to, op.rhs):
        right |= {letter: left[letter] for letter in shared}
    elif _is_own_weight(to, op.lhs):
        left |= {letter: right[letter] for letter in shared}
    if not any(len(group) > 1 for group in (*left.values(), *right.values())):
        return None
    if any(left[letter] != right[letter] for letter in shared):
        return None
    groups = {**left, **right}
    free = iter(c for c in string.ascii_letters if c not in groups)
    letters: dict[str, str] = {}
    for letter, group in groups.items():
        more = [next(free, "") for _ in group[1:]]
        if "" in more:
            return None
        letters[letter] = "".join([letter, *more]) if group else ""

    def spread(dims: str) -> str:
        return "".join(letters[letter] for letter in dims)

    lhs, rhs = _unmerged(to, op.lhs, left), _unmerged(to, op.rhs, right)
    dims = (spread(op.lhs_dims), spread(op.rhs_dims), spread(op.out_dims))
    product = to.add(Contract(lhs, rhs, *dims, op.wide))
    return to.add(Reshape(product, op.result_type().shape))


def _merges(to: Simplifying, value: Value, dims: str) -> dict[str, tuple[int, ...]]:
    """By letter the extents that a reshape merges into it; those of `value` if it is none."""
    shape = shape_of(value)
    inner = to.definition(value)
    if isinstance(inner, Reshape):
        groups = _grouped(shape_of(inner.x), shape)
        if groups is not None:
            return dict(zip(dims, groups, strict=True))
    return {letter: (extent,) for letter, extent in zip(dims, shape, strict=True)}


def _unmerged(to: Simplifying, value: Value, groups: dict[str, tuple[int, ...]]) -> Value:
    inner = to.definition(value)
    if not any(len(group) > 1 for group in groups.values()):
        return value
    if isinstance(inner, Reshape):
        return inner.x
    shape = tuple(extent for group in groups.values() for extent in group)
    return to.add(Reshape(value, shape))


def _is_own_weight(to: Simplifying, value: Value) -> bool:
    """Whether a value is a weight that nothing else reads, so that it may have another shape."""
    return isinstance(to.definition(value), Parameter) and to.has_one_use(value)


def _grouped(before: tuple[int, ...], after: tuple[int, ...]) -> list[tuple[int, ...]] | None:
    """The extents of `before` that make up each one of `after`; None if some are split.

    None of them may make up an extent of 1.
    """
    groups: list[tuple[int, ...]] = []
    start = 0
    for extent in after:
        if extent == 1 and before[start : start + 1] != (1,):
            groups.append(())
            continue
        stop = start + 1
        while math.prod(before[start:stop]) != extent and stop < len(before):
            stop += 1
        if math.prod(before[start:stop]) != extent or start >= len(before):
            return None
        groups.append(before[start:stop])
        start = stop
    if not groups or math.prod(before[start:]) != 1:
        return None
    groups[-1] = (*groups[-1], *before[start:])
    return groups
