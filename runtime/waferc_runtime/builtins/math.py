"""Library functions on scalars: `<math>` for f16, f32 and integers; results rounded to the type.

They are software on the wafer and good to a few units in the last place there; here they are
computed in f64 and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.csl.core import Scalar

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class MathFunction:
    """A function of `<math>`: `arity` operands of one type; `result` None is that type."""

    name: str
    arity: int
    wide: Callable[..., Any]
    is_software: bool = True
    is_exact: bool = False
    result: Scalar | None = None

    def compute(self, *operands: Array) -> Array:
        """The function of arrays (or NumPy scalars) of one CSL type, rounded to that type."""
        arrays = [np.asarray(operand) for operand in operands]
        dtype = np.result_type(*arrays)
        with np.errstate(all="ignore"):
            if self.is_exact:
                value = self.wide(*arrays)
            else:
                value = self.wide(*(array.astype(np.float64) for array in arrays))
            target = dtype if self.result is None else np.dtype(self.result.numpy)
            return np.asarray(value).astype(target, copy=False)

    def cycles(self, machine: Machine) -> int:
        """Cycles of one call."""
        return machine.math_cycles if self.is_software else machine.scalar_cycles


def _inverse(x: Array) -> Array:
    return 1.0 / x


def _inverse_root(x: Array) -> Array:
    return 1.0 / np.sqrt(x)


def _sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


_SOFTWARE: dict[str, tuple[int, Callable[..., Any]]] = {
    "exp": (1, np.exp),
    "tanh": (1, np.tanh),
    "sqrt": (1, np.sqrt),
    "invsqrt": (1, _inverse_root),
    "inv": (1, _inverse),
    "log": (1, np.log),
    "pow": (2, np.power),
    "sin": (1, np.sin),
    "cos": (1, np.cos),
    "sig": (1, _sigmoid),
}
_EXACT: dict[str, tuple[int, Callable[..., Any]]] = {
    "abs": (1, np.absolute),
    "min": (2, np.minimum),
    "max": (2, np.maximum),
    "floor": (1, np.floor),
    "ceil": (1, np.ceil),
    "sign": (1, np.sign),
}
_TESTS: dict[str, Callable[..., Any]] = {
    "isNaN": np.isnan,
    "isInf": np.isinf,
    "isFinite": np.isfinite,
    "signbit": np.signbit,
}


def _table() -> Mapping[str, MathFunction]:
    functions = [
        *(MathFunction(f"math.{n}", arity, f) for n, (arity, f) in _SOFTWARE.items()),
        *(MathFunction(f"math.{n}", arity, f, False, True) for n, (arity, f) in _EXACT.items()),
        *(MathFunction(f"math.{n}", 1, f, False, True, Scalar.BOOL) for n, f in _TESTS.items()),
    ]
    return MappingProxyType({function.name: function for function in functions})


MATH_FUNCTIONS: Mapping[str, MathFunction] = _table()
