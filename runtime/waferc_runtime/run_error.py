"""The error of a program that fails on the wafer: out of bounds, at rest but waiting, and so on."""

from __future__ import annotations

from waferc_ir.diagnostics import WaferError


class RunError(WaferError):
    """A program did something on the wafer that it may not do."""

    code = "run"


def pe_name(x: int, y: int) -> str:
    """How errors call a PE: `PE (3, 4)`, column first."""
    return f"PE ({x}, {y})"


def past_limit(limit: int) -> str:
    """How errors say that a run was given no more than `limit` cycles."""
    return f"the limit of {limit:,} cycles is passed"


def check_rectangle(
    what: str, place: tuple[int, int], size: tuple[int, int], whole: tuple[int, int], count: int = 0
) -> None:
    """Demand that a rectangle of PEs lies within that of the program, and a count of elements.

    `place` is column and row, `size` and `whole` are width and height.

    Raises:
        RunError: it does not; `what` begins the message.
    """
    (x, y), (width, height) = place, size
    if x < 0 or y < 0 or x + width > whole[0] or y + height > whole[1]:
        raise RunError(
            f"{what} on {width} x {height} PEs from {pe_name(x, y)} on,"
            f" but the program has {whole[0]} x {whole[1]}"
        )
    if width < 1 or height < 1 or count < 0:
        raise RunError(f"{what} on {width} x {height} PEs, {count:,} elements on each")
