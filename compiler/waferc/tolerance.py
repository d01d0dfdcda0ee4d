"""How far a compiled model may be from PyTorch, and how far it is.

**The bound.** Every operation rounds its results to the element type: relative errors of at most
u = 2^-24 (f32) or 2^-11 (f16), which behave as independent random errors (Higham and Mary, "A new
approach to probabilistic rounding error analysis", SIAM J. Sci. Comput. 2019). Adding n terms one
by one rounds n partial sums; of terms without a common sign the k-th partial sum is about sqrt(k)
terms large, so that the squared error is u^2 * (1 + 2 + ... + n) and relative to the sum's square n
it is u^2 * n / 2. A chain of operations adds its squared errors. With the squared error of an
operation in units of u^2 as its *weight* (n / 2 + 3 for a contraction over n terms: one for each
factor and the product; 1 for a sum of two tensors; the square of the error in ULP for
approximated functions; the square of the ratio of their u where a program in f32 rounds to f16,
and for the stored factor of a contraction of f16 in f32), the relative error of a result is about

    u * sqrt(weight of the heaviest path from an input to the result).

This is taken `SAFETY` times: for the spread of random errors, for the reference's own rounding, and
for operations that enlarge an error they receive (a difference of close numbers, exp of a large
one). The bound is relative to the norm of a whole output, so it holds for cancelling elements too.
It never goes beyond `LARGEST`: an output that is zero (relative error 1), doubled (1) or shuffled
(about 1.4) cannot pass. Correlation is not used anywhere: it does not see a factor of two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.dtypes import DType
from waferc_ir.ops import collective, graph_compute, stream, tile_compute
from waferc_ir.ops.declare import Op
from waferc_ir.ops.functions import COMPARE, LOGICAL
from waferc_ir.program import Program, Value
from waferc_ir.types import TensorType, TiledType

SAFETY = 4.0
LARGEST = 0.25
UNIT_ROUNDOFF = {DType.F32: 2.0**-24, DType.F16: 2.0**-11}

# Errors of the functions a PE computes, in ULP; those not listed are exact or round once.
_ULP_OF_FUNCTION: Mapping[str, float] = {
    "exp": 4, "log": 4, "sqrt": 2, "rsqrt": 4, "reciprocal": 2, "tanh": 4, "sigmoid": 6, "gelu": 8,
    "gelu_tanh": 8, "silu": 6, "erf": 4, "sin": 4, "cos": 4, "softplus": 6, "div": 2, "pow": 8,
}  # fmt: skip
_EXACT = frozenset(
    {"neg", "abs", "relu", "floor", "ceil", "sign", "logical_not", "max", "min", *COMPARE, *LOGICAL}
)
_NARROW = (UNIT_ROUNDOFF[DType.F16] / UNIT_ROUNDOFF[DType.F32]) ** 2  # an f16 in an f32 program
_MULTIPLY_TERMS = 3.0  # weight of a product: an error in each factor, and one rounding


@dataclass(frozen=True, slots=True)
class Accumulation:
    """What a program's rounding errors add up along.

    `weight` is the squared error of the heaviest path in units of u^2, `longest_sum` the most
    terms that one operation adds, `depth` the operations on the longest path that round.
    """

    weight: float
    longest_sum: int
    depth: int


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The largest relative L2 error that passes, and where the number comes from."""

    relative_l2: float
    origin: str


@dataclass(frozen=True, slots=True)
class Verification:
    """A comparison of outputs with a reference. Errors are the largest over all outputs.

    `max_abs` is the largest absolute error of an element; `relative_l2` the L2 norm of the error
    over that of the reference, per output; `max_ulp` the largest error of an element in units of
    the last place of the reference's element (large where a reference element is close to zero).
    It passes when every output has `relative_l2` within `tolerance`, no element is further off
    than `tolerance` times the largest reference element, and what is not finite agrees.
    """

    max_abs: float
    relative_l2: float
    max_ulp: float
    tolerance: float
    tolerance_origin: str
    passed: bool
    failures: tuple[str, ...] = ()

    @property
    def used(self) -> float:
        """The share of the allowed error that is used: beyond 1 it does not pass."""
        return self.relative_l2 / self.tolerance if self.tolerance else math.inf

    def __str__(self) -> str:
        verdict = "equal within tolerance" if self.passed else "NOT equal"
        lines = [
            f"{verdict}: relative L2 error {self.relative_l2:.3g}, tolerance {self.tolerance:.3g}"
            f" ({self.used:.2g} of it used)",
            f"  largest absolute error {self.max_abs:.3g}, largest in ULP {self.max_ulp:,.0f}",
            f"  tolerance from {self.tolerance_origin}",
            *(f"  {failure}" for failure in self.failures),
        ]
        return "\n".join(lines)


def accumulation(program: Program) -> Accumulation:
    """Weights of a graph program of primitive operations, or of a tiled program."""
    weights: dict[Value, float] = {}
    depths: dict[Value, int] = {}
    longest = 0
    for statement in program.statements:
        operands = statement.op.operands()
        weight, terms = _weight(statement.op)
        longest = max(longest, terms)
        if statement.result is not None:
            before = max((weights[value] for value in operands), default=0.0)
            weights[statement.result] = before + weight
            depth = max((depths[value] for value in operands), default=0)
            depths[statement.result] = depth + (weight > 0)
    return Accumulation(
        max(weights.values(), default=0.0), longest, max(depths.values(), default=0)
    )


def derive(found: Accumulation, dtype: DType) -> Tolerance:
    """The tolerance of a program with these accumulations, computed in `dtype`."""
    unit = UNIT_ROUNDOFF[dtype]
    bound = SAFETY * unit * math.sqrt(max(1.0, found.weight))
    origin = (
        f"{dtype}: {SAFETY:g} x {unit:.3g} x sqrt(weight {found.weight:,.0f}) over {found.depth} "
        f"operations, longest sum {found.longest_sum:,} terms"
    )
    if bound > LARGEST:
        return Tolerance(LARGEST, f"{origin}; cut from {bound:.3g} to {LARGEST:g}")
    return Tolerance(bound, origin)


def compare(
    outputs: Mapping[str, NDArray[Any]],
    reference: Mapping[str, NDArray[Any]],
    tolerance: Tolerance,
    dtype: DType,
) -> Verification:
    """Outputs against a reference, label by label. `dtype` is that of the program's floats."""
    largest_abs = largest_l2 = largest_ulp = 0.0
    failures: list[str] = []
    for label, expected in reference.items():
        if label not in outputs or outputs[label].shape != expected.shape:
            failures.append(f"{label}: missing, or of another shape")
            largest_l2 = math.inf
            continue
        got = outputs[label].astype(np.float64)
        want = expected.astype(np.float64)
        same = (got == want) | (np.isnan(got) & np.isnan(want))
        finite = np.isfinite(got) & np.isfinite(want)
        if not np.all(same | finite):
            count = int(np.sum(~(same | finite)))
            failures.append(f"{label}: {count:,} elements are not finite where they should be")
            largest_abs = largest_l2 = largest_ulp = math.inf
            continue
        error = np.where(finite, np.abs(np.where(finite, got, 0) - np.where(finite, want, 0)), 0)
        scale = np.where(finite, np.abs(want), 0)
        absolute = float(error.max(initial=0.0))
        norm = float(np.linalg.norm(scale))
        distance = float(np.linalg.norm(error))
        relative = distance / norm if norm else (math.inf if distance else 0.0)
        largest_abs = max(largest_abs, absolute)
        largest_l2 = max(largest_l2, relative)
        if expected.dtype.kind != "f":
            if absolute:
                failures.append(f"{label}: {int(np.sum(error > 0)):,} {expected.dtype} differ")
            continue
        spacing = np.spacing(scale.astype(dtype.numpy)).astype(np.float64)
        largest_ulp = max(largest_ulp, float((error / spacing).max(initial=0.0)))
        if relative > tolerance.relative_l2:
            failures.append(f"{label}: relative L2 error {relative:.3g}")
        elif absolute > tolerance.relative_l2 * float(scale.max(initial=0.0)):
            failures.append(f"{label}: an element is off by {absolute:.3g}")
    return Verification(
        largest_abs,
        largest_l2,
        largest_ulp,
        tolerance.relative_l2,
        tolerance.origin,
        not failures,
        tuple(failures),
    )


def _weight(op: Op) -> tuple[float, int]:
    """Squared error of an operation in units of u^2, and the terms that it adds."""
    match op:
        case tile_compute.Contract() | graph_compute.Contract():
            extents = {**_extents(op.lhs, op.lhs_dims), **_extents(op.rhs, op.rhs_dims)}
            terms = math.prod(n for letter, n in extents.items() if letter not in op.out_dims)
            return terms / 2 + (_NARROW if op.wide else _MULTIPLY_TERMS), terms
        case collective.Multiply():
            terms = _extents(op.rows, op.rows_dims)[op.letters()[1]]
            return terms / 2 + (_NARROW if op.wide else _MULTIPLY_TERMS), terms
        case tile_compute.Conv2d() | graph_compute.Conv2d():
            terms = math.prod(_shape(op.weight)[1:])
            return terms / 2 + _MULTIPLY_TERMS, terms
        case tile_compute.Reduce() | graph_compute.Reduce():
            if op.fn in _EXACT:
                return 0.0, 1
            terms = math.prod(_shape(op.x)[dim] for dim in op.dims)
            return terms / 2, terms
        case tile_compute.Pool2d() | graph_compute.Pool2d():
            if op.fn in _EXACT:
                return 0.0, 1
            terms = math.prod(op.kernel)
            return terms / 2 + _MULTIPLY_TERMS, terms
        case (
            tile_compute.Unary()
            | tile_compute.Binary()
            | tile_compute.BinaryScalar()
            | graph_compute.Unary()
            | graph_compute.Binary()
            | graph_compute.BinaryScalar()
        ):
            return (0.0 if op.fn in _EXACT else _ULP_OF_FUNCTION.get(op.fn, 1.0) ** 2), 1
        case tile_compute.Cast() | graph_compute.Cast():
            is_narrowing = op.dtype is DType.F16 and _dtype(op.x) is DType.F32
            return (_NARROW if is_narrowing else float(op.dtype is DType.F16)), 1
        case collective.AllReduce() | stream.Transfer():
            return 0.0, 1  # the terms of an all-reduce are counted where the value became partial
        case _:
            return 0.0, 1


def _extents(value: Value, letters: str) -> dict[str, int]:
    return dict(zip(letters, _shape(value), strict=True))


def _dtype(value: Value) -> DType:
    type = value.type
    assert isinstance(type, TensorType | TiledType)
    return type.dtype


def _shape(value: Value) -> tuple[int, ...]:
    type = value.type
    assert isinstance(type, TensorType | TiledType)
    return type.shape
