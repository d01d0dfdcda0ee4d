"""The vendor's helpers for host arrays."""

from __future__ import annotations

from waferc_runtime.host.sdk_utils import (
    calculate_cycles,
    cast_uint32,
    input_array_to_u32,
    memcpy_view,
)

__all__ = ["calculate_cycles", "cast_uint32", "input_array_to_u32", "memcpy_view"]
