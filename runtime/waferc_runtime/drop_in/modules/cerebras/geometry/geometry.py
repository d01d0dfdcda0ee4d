"""The vendor's places and rectangles."""

from __future__ import annotations

from waferc_runtime.host.layout.geometry import IntRectangle, IntVector

__all__ = ["IntRectangle", "IntVector"]
