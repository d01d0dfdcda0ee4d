"""The command `cs_python`: runs a host script; errors of the virtual wafer are told, not traced.

Exit code: the script's; 1 where an error of the virtual wafer ends it.
"""

from __future__ import annotations

import runpy
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from waferc_ir.diagnostics import Location, WaferError


def main(arguments: Sequence[str]) -> int:
    """Run a script with its arguments and return the exit code."""
    if not arguments:
        print("cs_python SCRIPT.py [ARGUMENTS...]", file=sys.stderr)
        return 2
    script = Path(arguments[0])
    if not script.is_file():
        print(f"error[host]: there is no file {script}", file=sys.stderr)
        return 2
    sys.argv = list(arguments)
    sys.path.insert(0, str(script.resolve().parent))
    try:
        runpy.run_path(str(script), run_name="__main__")
    except WaferError as problem:
        sys.stdout.flush()
        place = script_line(problem.__traceback__)
        print(problem.render(), file=sys.stderr)
        if place is not None:
            print(f"  = note: called from {place}: {place.text}", file=sys.stderr)
        return 1
    except Exception as problem:  # the user's own code
        sys.stdout.flush()
        traceback.print_exception(problem.with_traceback(users_part(problem.__traceback__, script)))
        return 1
    return 0


def users_part(trace: TracebackType | None, script: Path) -> TracebackType | None:
    """A traceback without the frames that started the script."""
    part = trace
    while part is not None and part.tb_frame.f_code.co_filename != str(script):
        part = part.tb_next
    return part or trace


def script_line(trace: TracebackType | None) -> Location | None:
    """The innermost line of the user's own code, that is, outside this package."""
    own = Path(__file__).resolve().parents[1]
    for frame in reversed(traceback.extract_tb(trace)):
        path = Path(frame.filename)
        if frame.lineno is not None and path.is_file() and own not in path.resolve().parents:
            return Location(frame.filename, frame.lineno, text=frame.line)
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
