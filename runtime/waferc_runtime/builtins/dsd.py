"""DSD operations: what an element is, what happens to it, and how many are done in a cycle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.csl.core import Scalar

Array = NDArray[Any]


class Compute(Protocol):
    """Elementwise arithmetic on arrays that broadcast; writes to `out` when it is given."""

    def __call__(self, *sources: Array, out: Array | None = None) -> Array: ...


@dataclass(frozen=True, slots=True)
class DsdOp:
    """A DSD operation: element types of destination and sources, arithmetic, work and speed.

    `per_cycle` reads from the machine how many elements of an operation in memory are done at once
    (SDK documentation, appendix). A fabric operand moves one wavelet per cycle whatever the
    operation.
    """

    name: str
    element: Scalar
    source_elements: tuple[Scalar, ...]
    compute: Compute
    per_cycle: Callable[[Machine], int]
    fused: Compute | None = None
    macs: int = 0
    flops: int = 0

    def computation(self, machine: Machine) -> Compute:
        """The arithmetic on `machine`: multiply-add with one rounding where it has it."""
        if self.fused is not None and machine.fused_multiply_add:
            return self.fused
        return self.compute

    def elements_per_cycle(self, machine: Machine) -> int:
        """Elements per cycle when all operands are in memory and the banks allow it."""
        return self.per_cycle(machine)

    @property
    def f16_flops(self) -> int:
        """The flops of an element whose result is f16."""
        return self.flops if self.element is Scalar.F16 else 0

    @property
    def accumulates(self) -> bool:
        """Whether `(pointer, scalar, DSD)` is a fold: two sources and a result of one type."""
        return len(self.source_elements) == 2 and self.source_elements[0] is self.element


def _copy(*sources: Array, out: Array | None = None) -> Array:
    if out is None:
        return np.array(sources[0])
    out[...] = sources[0]
    return out


def _ufunc(function: Callable[..., Any]) -> Compute:
    def compute(*sources: Array, out: Array | None = None) -> Array:
        return function(*sources, out=out)

    return compute


def _negate(*sources: Array, out: Array | None = None) -> Array:
    # np.negative (2.4.6) leaves zeros behind where operand and `out` are strided alike
    return np.multiply(sources[0], -1, out=out)


def _converted(function: Callable[..., Any], element: Scalar) -> Compute:
    """Arithmetic without an `out` of its own; the result is converted to `element`."""
    dtype = np.dtype(element.numpy)

    def compute(*sources: Array, out: Array | None = None) -> Array:
        result = np.asarray(function(*sources)).astype(dtype, copy=False)
        return result if out is None else _copy(result, out=out)

    return compute


def _multiply_add(*sources: Array, out: Array | None = None) -> Array:
    addend, x, scalar = sources
    return np.add(addend, np.multiply(x, scalar), out=out)


def _fused(wide: type[np.floating[Any]], narrow: type[np.floating[Any]]) -> Compute:
    """Multiply-add in a type where the product is exact, then one rounding to the result.

    The sum is rounded to the wide type before; that shows in about one of 2**29 results for f32
    and one of 2**13 for f16.
    """

    def compute(*sources: Array, out: Array | None = None) -> Array:
        addend, x, scalar = sources
        product = np.multiply(x, scalar, dtype=wide)
        if out is None:
            return np.add(product, addend, dtype=wide).astype(narrow)
        return np.add(product, addend, out=out, dtype=wide, casting="same_kind")

    return compute


def _mixed_multiply_add(*sources: Array, out: Array | None = None) -> Array:
    addend, x, scalar = sources
    # the product of two f16 is exact in f32, so fused and separate rounding are the same
    product = np.multiply(x, scalar, dtype=np.float32)
    return np.add(product, addend, out=out)


def _mixed_add(*sources: Array, out: Array | None = None) -> Array:
    return np.add(*sources, out=out, dtype=np.float32)


def _bit_length(x: Array) -> Array:
    return np.frexp(x.astype(np.float32))[1].astype(np.uint16)


def _leading_zeros(x: Array) -> Array:
    return 16 - _bit_length(x)


def _trailing_zeros(x: Array) -> Array:
    lowest = x & (~x + np.uint16(1))
    return np.where(x == 0, 16, _bit_length(lowest) - 1)


def _ones(x: Array) -> Array:
    bits = np.right_shift(x[..., np.newaxis], np.arange(16, dtype=np.uint16)) & np.uint16(1)
    return bits.sum(axis=-1)


def _shift_left(x: Array, amount: Array) -> Array:
    return np.where(amount > 15, 0, np.left_shift(x, np.minimum(amount, 15)))


def _shift_right(x: Array, amount: Array) -> Array:
    return np.where(amount > 15, 0, np.right_shift(x, np.minimum(amount, 15)))


def _shift_right_signed(x: Array, amount: Array) -> Array:
    return np.right_shift(
        x, np.minimum(np.asarray(amount, np.int16).view(np.uint16), 15).astype(np.int16)
    )


def _to_fixed(x: Array) -> Array:
    return np.clip(np.nan_to_num(np.rint(x.astype(np.float32))), -32768, 32767)


def _scale(x: Array, exponent: Array) -> Array:
    return np.ldexp(x, exponent.astype(np.int32))


def _mantissa(x: Array) -> Array:
    return np.frexp(x)[0] * x.dtype.type(2)


def _f16(machine: Machine) -> int:
    return machine.f16_elements_per_cycle


def _f32(machine: Machine) -> int:
    return machine.f32_elements_per_cycle


def _f32_add(machine: Machine) -> int:
    return machine.f32_add_elements_per_cycle


def _special16(machine: Machine) -> int:
    return machine.special16_elements_per_cycle


def _special32(machine: Machine) -> int:
    return machine.special32_elements_per_cycle


def _mixed(machine: Machine) -> int:
    return machine.mixed_elements_per_cycle


def _i16(machine: Machine) -> int:
    return machine.i16_elements_per_cycle


def _i32(machine: Machine) -> int:
    return machine.i32_elements_per_cycle


def _one(machine: Machine) -> int:
    return 1


def _table() -> Mapping[str, DsdOp]:
    f16, f32, u16, i16, u32 = Scalar.F16, Scalar.F32, Scalar.U16, Scalar.I16, Scalar.U32
    float_binary: dict[str, Callable[..., Any]] = {
        "add": np.add,
        "sub": np.subtract,
        "mul": np.multiply,
        "max": np.maximum,
    }
    ops = [
        DsdOp("@mov16", u16, (u16,), _copy, _i16),
        DsdOp("@mov32", u32, (u32,), _copy, _i32),
        DsdOp("@fmovh", f16, (f16,), _copy, _f16),
        DsdOp("@fmovs", f32, (f32,), _copy, _f32_add),
        DsdOp("@faddhs", f32, (f32, f16), _mixed_add, _mixed, flops=1),
        DsdOp(
            "@fmach", f16, (f16, f16, f16), _multiply_add, _f16,
            _fused(np.float32, np.float16), macs=1, flops=2,
        ),
        DsdOp(
            "@fmacs", f32, (f32, f32, f32), _multiply_add, _f32,
            _fused(np.float64, np.float32), macs=1, flops=2,
        ),
        DsdOp("@fmachs", f32, (f32, f16, f16), _mixed_multiply_add, _mixed, macs=1, flops=2),
        DsdOp("@fh2s", f32, (f16,), _converted(np.asarray, f32), _special32),
        DsdOp("@fs2h", f16, (f32,), _converted(np.asarray, f16), _special32),
        DsdOp("@fh2xp16", i16, (f16,), _converted(_to_fixed, i16), _special16),
        DsdOp("@fs2xp16", i16, (f32,), _converted(_to_fixed, i16), _special32),
        DsdOp("@xp162fh", f16, (i16,), _converted(np.asarray, f16), _special16),
        DsdOp("@xp162fs", f32, (i16,), _converted(np.asarray, f32), _special32),
        DsdOp("@clz", u16, (u16,), _converted(_leading_zeros, u16), _one),
        DsdOp("@ctz", u16, (u16,), _converted(_trailing_zeros, u16), _one),
        DsdOp("@popcnt", u16, (u16,), _converted(_ones, u16), _one),
        DsdOp("@sll16", u16, (u16, u16), _converted(_shift_left, u16), _special32),
        DsdOp("@slr16", u16, (u16, u16), _converted(_shift_right, u16), _special32),
        DsdOp("@sar16", i16, (i16, i16), _converted(_shift_right_signed, i16), _special32),
    ]  # fmt: skip
    for suffix, element, speed, multiply, choose in (
        ("h", f16, _f16, _f16, _special16),
        ("s", f32, _f32_add, _f32, _special32),
    ):
        speeds = {"add": speed, "sub": speed, "mul": multiply, "max": choose}
        for word, function in float_binary.items():
            sources, pace = (element, element), speeds[word]
            ops.append(
                DsdOp(f"@f{word}{suffix}", element, sources, _ufunc(function), pace, flops=1)
            )
        ops.append(DsdOp(f"@fneg{suffix}", element, (element,), _negate, speed))
        ops.append(DsdOp(f"@fabs{suffix}", element, (element,), _ufunc(np.absolute), speed))
        scale = _converted(_scale, element)
        ops.append(DsdOp(f"@fscale{suffix}", element, (element, i16), scale, speed))
        ops.append(
            DsdOp(f"@fnorm{suffix}", element, (element,), _converted(_mantissa, element), speed)
        )
    for word, function in {
        "add": np.add,
        "sub": np.subtract,
        "and": np.bitwise_and,
        "or": np.bitwise_or,
        "xor": np.bitwise_xor,
    }.items():
        ops.append(DsdOp(f"@{word}16", u16, (u16, u16), _ufunc(function), _i16))
    return MappingProxyType({op.name: op for op in ops})


DSD_OPS: Mapping[str, DsdOp] = _table()
