"""The virtual wafer: reads CSL text, runs it on the PEs' own memories, and plays the host."""

from waferc_ir.diagnostics import WaferError
from waferc_runtime.host.bundle import read_bundle
from waferc_runtime.host.contents import Bundle
from waferc_runtime.host.session import Session
from waferc_runtime.statistics import Statistics

__all__ = ["Bundle", "Session", "Statistics", "WaferError", "read_bundle"]
