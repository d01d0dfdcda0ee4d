"""The vendor's `debug_util`: variables of PEs by name, after a run in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from waferc_runtime.host.debug_trace import TraceValue, read_trace
from waferc_runtime.host.elements import place_of, seen_as
from waferc_runtime.host.errors import HostError
from waferc_runtime.host.finished import WAFERS

__all__ = ["debug_util"]

Array = NDArray[Any]


class debug_util:  # noqa: N801 - the vendor's name
    """Reads the wafer that last ran the program in `bindir`.

    Coordinates are those of the fabric: PE (0, 0) of the program is where `--fabric-offsets` says.
    """

    def __init__(self, bindir: str | Path, cmaddr: str | None = None, **options: object) -> None:
        if cmaddr:
            raise HostError(f"there is no wafer at {cmaddr!r}: only a virtual one runs here")
        self._wafer = WAFERS.of(Path(bindir))

    def _place(self, col: int, row: int) -> tuple[int, int]:
        column, line = place_of(col, row)
        x, y = self._wafer.artifact.offsets
        return column - x, line - y

    def get_symbol(self, col: int, row: int, symbol: str, dtype: DTypeLike) -> Array:
        """All elements of a variable of the PE in a column and a row of the fabric.

        Raises:
            WaferError: no such PE, or no such variable there, or another type of elements.
        """
        x, y = self._place(col, row)
        return seen_as(self._wafer.engine.symbol(x, y, symbol), dtype, symbol)

    def read_trace(self, col: int, row: int, key: str) -> list[TraceValue]:
        """What the PE in a column and a row of the fabric recorded with `<debug>`, in order.

        Raises:
            RunError: no such PE, or it has no trace of that key.
        """
        return read_trace(self._wafer.engine, *self._place(col, row), key)

    def get_symbol_rect(
        self, rectangle: tuple[tuple[int, int], tuple[int, int]], symbol: str, dtype: DTypeLike
    ) -> Array:
        """A variable of all PEs of ((column, row), (width, height)): [w, h, elements].

        Raises:
            WaferError: no such PE, or no such variable on one of them, or another type.
        """
        (col, row), (width, height) = rectangle
        return np.stack(
            [
                np.stack([self.get_symbol(col + x, row + y, symbol, dtype) for y in range(height)])
                for x in range(width)
            ]
        )
