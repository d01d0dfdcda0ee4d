"""What `<simprint>` writes: how a value looks, and the buffer that is cut into lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from waferc_runtime.csl.core import Scalar

Form = Literal["d", "X", "b", "f"]


def show(value: Any, type: Scalar, form: Form) -> str:
    """A number as text: hexadecimal and binary in all digits of its type.

    Source: SDK documentation 2.10, libraries, `<simprint>`: 42 as u16 is 42, 002A and
    0000000000101010, as f16 it is 42.0.
    """
    match form:
        case "f":
            return str(np.dtype(type.numpy).type(value))
        case "X":
            return f"{_bits(value, type):0{type.bits // 4}X}"
        case "b":
            return f"{_bits(value, type):0{type.bits}b}"
        case "d":
            return str(int(value))


def _bits(value: Any, type: Scalar) -> int:
    return int(value) & ((1 << type.bits) - 1)


@dataclass(slots=True)
class PrintBuffer:
    """The text of a PE that no newline has ended yet."""

    text: str = ""

    def add(self, text: str) -> list[str]:
        """Take text; the lines that it ends, without their newline."""
        *lines, self.text = (self.text + text).split("\n")
        return lines
