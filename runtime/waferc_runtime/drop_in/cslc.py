"""The command `cslc`: checks a CSL program and writes what the virtual wafer runs.

Exit code 0: written; 1: the program is wrong; 2: the command is wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from waferc_ir.diagnostics import WaferError
from waferc_runtime.host.artifact import compile_artifact, write_artifact
from waferc_runtime.host.cslc_options import parse_cslc


def main(arguments: Sequence[str]) -> int:
    """Run `cslc` in the working folder and return the exit code."""
    try:
        options = parse_cslc(arguments)
    except WaferError as problem:
        print(problem.render(), file=sys.stderr)
        return 2
    try:
        artifact, elaborated = compile_artifact(options, Path())
        write_artifact(artifact, elaborated, Path(options.output))
    except WaferError as problem:
        print(problem.render(), file=sys.stderr)
        return 1
    if options.verbose:
        print(
            f"{options.layout}: {elaborated.width} x {elaborated.height} PEs of "
            f"{len(elaborated.classes)} kinds for {options.arch}, in {options.output}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
