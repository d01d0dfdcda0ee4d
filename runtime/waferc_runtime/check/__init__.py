"""An independent check of CSL programs, made from their text alone."""

from __future__ import annotations

from waferc_runtime.check.problems import CheckError
from waferc_runtime.check.program import check_program

__all__ = ["CheckError", "check_program"]
