"""Examples of a public checkout: where they are, and how one is run in a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Verdict = Literal["passed", "no assertion", "wrong", "refused", "crashed", "timeout"]
GOOD: tuple[Verdict, ...] = ("passed", "no assertion")
ROOT = Path(__file__).resolve().parents[2]
_SCRIPT = re.compile(r"commands_(wse[23])\.sh\Z")
_ERROR = re.compile(r"^error\[(\w+)\]: (.*)$", re.MULTILINE)
_PLACE = re.compile(r"^ --> (.*)$", re.MULTILINE)
_ASSERTION = re.compile(r"\bassert\b|\bassert_\w+\(|\btesting\.")
_MOST_MEMORY_KIB = 6 * 2**20
# In one repository scripts name the interpreter by a word that its own test tool replaces.
_PLACEHOLDER = "%python_sdk_paint"


@dataclass(frozen=True, slots=True)
class Example:
    """A `commands_<arch>.sh` in a folder of a checkout."""

    repository: str
    root: Path
    folder: Path
    arch: str

    @property
    def name(self) -> str:
        """How tables call it: `tutorials/gemv-01-complete-program wse3`."""
        return f"{self.folder.relative_to(self.root)} {self.arch}"

    @property
    def asserts(self) -> bool:
        """Whether a Python file of the folder checks anything."""
        files = self.folder.glob("*.py")
        return any(_ASSERTION.search(f.read_text(errors="replace")) for f in files)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of running an example. `cycles` are summed over the programs that it ran."""

    example: Example
    verdict: Verdict
    seconds: float
    cycles: int | None
    reason: str
    output: str


def find_examples(repository: str, root: Path) -> Iterator[Example]:
    """All examples of a checkout, by folder."""
    for script in sorted(root.rglob("commands_wse*.sh")):
        match = _SCRIPT.match(script.name)
        if match is not None:
            yield Example(repository, root, script.parent, match[1])


def run_example(example: Example, options: Sequence[str], limit_seconds: float) -> Outcome:
    """Run the script of an example on a copy of its folder, with `options` for `waferc sdk`."""
    with tempfile.TemporaryDirectory(prefix="waferc-example-") as scratch:
        folder = copy_of(example, Path(scratch))
        statistics = Path(scratch) / "statistics.jsonl"
        command = [
            *(sys.executable, "-m", "waferc", "sdk", "--statistics", str(statistics), *options),
            *("--", "bash", f"commands_{example.arch}.sh"),
        ]
        start = time.monotonic()
        code, output = _run(command, folder, limit_seconds)
        seconds = time.monotonic() - start
        verdict, reason = judge(code, output, example.asserts)
        return Outcome(example, verdict, seconds, _cycles(statistics), reason, output)


def judge(code: int | None, output: str, asserts: bool) -> tuple[Verdict, str]:
    """The verdict on a script that ended with an exit code (None: it did not end), and why."""
    if code is None:
        return "timeout", ""
    if code == 0:
        return ("passed" if asserts else "no assertion"), ""
    bug = re.search(r"this is a bug in waferc: (.*(?:\n  in .*)*)", output)
    if bug is not None:
        return "crashed", " ".join(bug[1].split())
    error = _ERROR.search(output)
    if error is not None:
        place = _PLACE.search(output, error.end())
        where = "" if place is None else f" ({place[1]})"
        return "refused", f"[{error[1]}] {error[2]}{where}"
    lines = output.strip().splitlines()
    return "wrong", next((x for x in reversed(lines) if "Error" in x), f"exit code {code}")


def copy_of(example: Example, scratch: Path) -> Path:
    """A copy of the example's folder, with its neighbours and those of its parents in reach."""
    here, there = example.root, scratch / "checkout"
    for part in example.folder.relative_to(example.root).parts:
        there.mkdir()
        for neighbour in here.iterdir():
            if neighbour.name != part:
                (there / neighbour.name).symlink_to(neighbour.resolve())
        here, there = here / part, there / part
    shutil.copytree(here, there)
    script = there / f"commands_{example.arch}.sh"
    text = script.read_text()
    if _PLACEHOLDER in text:
        script.write_text(text.replace(_PLACEHOLDER, "cs_python run.py"))
    return there


def _run(command: Sequence[str], folder: Path, limit_seconds: float) -> tuple[int | None, str]:
    rooms = os.pathsep.join(str(ROOT / room) for room in ("compiler", "ir", "runtime"))
    variables = {**os.environ, "PYTHONPATH": rooms, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    with subprocess.Popen(
        ["bash", "-c", f'ulimit -v {_MOST_MEMORY_KIB}; exec "$@"', "bash", *command],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=limit_seconds)
            return process.returncode, output
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            return None, output


def _cycles(file: Path) -> int | None:
    if not file.is_file():
        return None
    return sum(int(json.loads(line)["cycles"]) for line in file.read_text().splitlines())
