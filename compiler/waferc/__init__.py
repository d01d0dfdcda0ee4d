"""A compiler from PyTorch models to wafer-scale kernels, and a virtual wafer that runs them."""

from waferc.compiled import Compiled, load
from waferc.driver import compile
from waferc.frontend.capture import ExampleCall
from waferc.generate import generate
from waferc.options import CompileOptions
from waferc.report import Report
from waferc.tolerance import Tolerance, Verification
from waferc_ir.diagnostics import WaferError
from waferc_ir.machine import Machine, machine

__version__ = "0.1.0"
__all__ = [
    "CompileOptions",
    "Compiled",
    "ExampleCall",
    "Machine",
    "Report",
    "Tolerance",
    "Verification",
    "WaferError",
    "compile",
    "generate",
    "load",
    "machine",
]
