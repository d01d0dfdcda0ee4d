"""The user's line out of the stack trace that torch keeps with a node."""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable
from pathlib import Path

from waferc_ir.diagnostics import Location

_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>.*)$')


def find_location(stack_trace: str, is_library: Callable[[str], bool]) -> Location | None:
    """The innermost frame of a stack trace that is not library code.

    Args:
        stack_trace: text as `traceback` writes it, outermost frame first.
        is_library: whether a file belongs to torch, Python or waferc.

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
        location = place(frame["file"], int(frame["line"]), source.strip())
        fallback = location
        if not is_library(frame["file"]):
            found = location
    return found if found is not None else fallback


def place(file: str, line: int, source: str) -> Location:
    """A line of a file; `source` is its text without indentation, as tracebacks show it.

    The path is relative to the working directory or to site-packages if it is below. Indentation,
    and with it the column, comes from the file itself if it still holds that text.
    """
    path = Path(file)
    shown = path
    if "site-packages" in path.parts:
        shown = Path(*path.parts[path.parts.index("site-packages") + 1 :])
    elif path.is_relative_to(Path.cwd()):
        shown = path.relative_to(Path.cwd())
    full = linecache.getline(file, line).rstrip().expandtabs()
    text = full if source and full.strip().startswith(source) else source
    column = len(text) - len(text.lstrip()) + 1
    return Location(str(shown), line, column, max(1, len(text.strip())), text or None)
