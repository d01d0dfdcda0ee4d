"""The reference engine: one wavelet at a time."""

from __future__ import annotations

from waferc_runtime.reference.engine import ReferenceEngine

__all__ = ["ReferenceEngine"]
