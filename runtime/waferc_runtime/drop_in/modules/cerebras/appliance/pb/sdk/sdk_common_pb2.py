"""Enumerations that the vendor's appliance-style scripts import from a protocol module."""

from __future__ import annotations

from waferc_runtime.host.elements import MemcpyDataType, MemcpyOrder

__all__ = ["MemcpyDataType", "MemcpyOrder"]
