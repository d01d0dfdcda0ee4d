"""The whole check of CSL text."""

from __future__ import annotations

from collections.abc import Mapping

from waferc_ir.diagnostics import WaferError
from waferc_ir.machine import Machine
from waferc_runtime.check.program import check_program
from waferc_runtime.csl.elaborate import elaborate


def check_sources(
    sources: Mapping[str, str], layout: str, machine: Machine, params: Mapping[str, int]
) -> list[WaferError]:
    """Everything that is wrong with CSL text: `sources` by file name, `layout` the layout file.

    Text that cannot be elaborated yields the one error (and its relatives) that says so.
    """
    try:
        elaborated = elaborate(sources, layout, machine, params)
    except WaferError as error:
        return [error]
    return check_program(elaborated, machine)
