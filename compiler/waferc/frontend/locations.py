"""The user's line out of the stack trace that torch keeps with a node."""

from __future__ import annotations

import re
from collections.abc import Callable

from waferc_ir.diagnostics import Location

_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>.*)$')


def find_location(stack_trace: str, is_library: Callable[[str], bool]) -> Location | None:
    """The innermost frame of a stack trace that is not library code.

    Args:
        stack_trace: text as `traceback` writes it, outermost frame first.
        is_library: whether a file belongs to torch or to waferc.

    Falls back to the innermost frame of all where everything is library code.
    """
    fallback: Location | None = None
    found: Location | None = None
    lines = stack_trace.splitlines()
    for number, text in enumerate(lines):
        frame = _FRAME.match(text)
        if frame is None:
            continue
        source = lines[number + 1] if number + 1 < len(lines) else ""
        if _FRAME.match(source):
            source = ""
        location = _place(frame["file"], int(frame["line"]), source.strip())
        fallback = location
        if not is_library(frame["file"]):
            found = location
    return found if found is not None else fallback


def _place(file: str, line: int, source: str) -> Location:
    return Location(file, line, 1, max(1, len(source)), source or None)
