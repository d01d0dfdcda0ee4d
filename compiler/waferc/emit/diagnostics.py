"""The error of the emission stage."""

from __future__ import annotations

from waferc_ir.diagnostics import WaferError


class EmitError(WaferError):
    """A tiled program asks for what no kernel can do, or lacks what passes must give it."""

    code = "emit"
