"""An independent check of CSL programs, made from their text alone."""

from __future__ import annotations

from waferc_runtime.check.problems import CheckError
from waferc_runtime.check.program import check_program
from waferc_runtime.check.sources import check_sources

__all__ = ["CheckError", "check_program", "check_sources"]
