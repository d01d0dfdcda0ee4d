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
        print(problem.render(), file=sys.stderr)
        _tell_line(problem)
        return 1
    except Exception as problem:
        sys.stdout.flush()
        own = [f for f in traceback.extract_tb(problem.__traceback__) if _is_ours(f.filename)]
        if len(own) > 1:  # one is this function's
            print(f"this is a bug in waferc: {type(problem).__name__}: {problem}", file=sys.stderr)
            for frame in own[-3:]:
                name = Path(frame.filename).name
                print(f"  in {frame.name}, {name}:{frame.lineno}", file=sys.stderr)
            _tell_line(problem)
        else:
            traceback.print_exception(
                problem.with_traceback(users_part(problem.__traceback__, script))
            )
        return 1
    return 0


def _tell_line(problem: Exception) -> None:
    place = script_line(problem.__traceback__)
    if place is not None:
        print(f"  = note: called from {place}: {place.text}", file=sys.stderr)


def users_part(trace: TracebackType | None, script: Path) -> TracebackType | None:
    """A traceback without the frames that started the script."""
    part = trace
    while part is not None and part.tb_frame.f_code.co_filename != str(script):
        part = part.tb_next
    return part or trace


def script_line(trace: TracebackType | None) -> Location | None:
    """The innermost line of the user's own code, that is, outside this package."""
    for frame in reversed(traceback.extract_tb(trace)):
        path = Path(frame.filename)
        if frame.lineno is not None and path.is_file() and not _is_ours(frame.filename):
            return Location(frame.filename, frame.lineno, text=frame.line)
    return None


def _is_ours(file: str) -> bool:
    return Path(__file__).resolve().parents[1] in Path(file).resolve().parents


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
