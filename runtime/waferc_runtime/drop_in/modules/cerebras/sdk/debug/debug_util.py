"""The vendor's debugger module, played by the virtual wafer."""

from __future__ import annotations

from waferc_runtime.host.debug_util import debug_util

__all__ = ["debug_util"]
