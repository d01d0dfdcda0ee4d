"""How the checker speaks of PEs, and the one error class it uses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import WaferError

Grid = NDArray[np.bool_]  # [y, x]


class CheckError(WaferError):
    """An emitted or hand-written program that cannot run as it is configured."""

    code = "check"


def name_pe(x: int, y: int) -> str:
    """`PE (3, 4)`."""
    return f"PE ({x}, {y})"


def first_pe(where: Grid) -> tuple[int, int]:
    """The coordinates (x, y) of the first PE in `where`, row by row."""
    y, x = divmod(int(np.flatnonzero(where.reshape(-1))[0]), where.shape[1])
    return x, y


def count_note(where: Grid) -> list[str]:
    """A note that says how many PEs there are if it is more than one."""
    count = int(where.sum())
    if count == 1:
        return []
    ys, xs = np.nonzero(where)
    return [
        f"{count:,} PEs in columns {xs.min()} to {xs.max()}, rows {ys.min()} to {ys.max()}"
        ", the first is named"
    ]
