"""The error of a host script, or of a host's command line."""

from __future__ import annotations

from waferc_ir.diagnostics import WaferError


class HostError(WaferError):
    """A host script asks for something that the program or this wafer does not have."""

    code = "host"
