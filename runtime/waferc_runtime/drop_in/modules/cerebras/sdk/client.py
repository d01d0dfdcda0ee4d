"""The vendor's appliance-style client module."""

from __future__ import annotations

from waferc_runtime.host.client import SdkCompiler, SdkLauncher, SdkRuntime

__all__ = ["SdkCompiler", "SdkLauncher", "SdkRuntime"]
