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
