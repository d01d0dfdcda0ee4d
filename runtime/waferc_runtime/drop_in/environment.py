"""Where scripts find the vendor's commands and modules: a folder for PATH, one for PYTHONPATH."""

from __future__ import annotations

import inspect
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from waferc_ir.diagnostics import WaferError
from waferc_runtime.host.errors import HostError
from waferc_runtime.host.settings import Settings

COMMANDS: Mapping[str, str] = {
    "cslc": "waferc_runtime.drop_in.cslc",
    "cs_python": "waferc_runtime.drop_in.cs_python",
}


def run_command(command: Sequence[str], settings: Settings) -> int:
    """Run a command that finds `cslc`, `cs_python` and their modules; its exit code.

    Raises:
        HostError: the command cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="waferc-sdk-") as scratch:
        folder = Path(scratch)
        write_commands(folder)
        variables = {**os.environ, **settings.variables(), **search_paths(folder)}
        try:
            return subprocess.run(list(command), env=variables, check=False).returncode
        except OSError as problem:
            raise HostError(
                f"cannot run {command[0]}: {(problem.strerror or str(problem)).lower()}"
            ) from None


def write_commands(folder: Path) -> None:
    """Write the vendor's commands into a folder. They run with the interpreter that runs this."""
    for name, module in COMMANDS.items():
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m {module} "$@"\n')
        path.chmod(0o755)


def search_paths(commands: Path) -> dict[str, str]:
    """PATH and PYTHONPATH with the commands and the modules before what is there."""
    here = Path(__file__).resolve()
    rooms = [here.parents[2], Path(inspect.getfile(WaferError)).resolve().parents[1]]
    python = [str(here.parent / "modules"), *map(str, rooms), *_parts("PYTHONPATH")]
    return {
        "PATH": os.pathsep.join([str(commands), *_parts("PATH")]),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(python)),
    }


def _parts(variable: str) -> list[str]:
    return [part for part in os.environ.get(variable, "").split(os.pathsep) if part]
