"""The sample program runs as docs/csl.md says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("engine", ["vector", "reference"])
def test_the_host_script_runs_unchanged_and_its_check_can_fail(engine: str, tmp_path: Path) -> None:
    folder = tmp_path / "csl"
    shutil.copytree(ROOT / "samples" / "csl", folder)
    rooms = ":".join(str(ROOT / room) for room in ("compiler", "ir", "runtime"))
    command = [sys.executable, "-m", "waferc", "sdk", "--engine", engine]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, "--", "bash", "commands.sh"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": rooms},
            capture_output=True,
            text=True,
            check=False,
        )

    done = run()
    assert (done.returncode, done.stdout) == (0, "SUCCESS!\n"), done.stderr
    program = folder / "pe_program.csl"
    program.write_text(program.read_text().replace("@fadds(mine, west,", "@fsubs(mine, west,"))
    wrong = run()
    assert wrong.returncode == 1
    assert "AssertionError" in wrong.stderr


def test_the_python_example_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "csl.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.S)
    monkeypatch.chdir(ROOT)
    exec(compile(example, "docs/csl.md", "exec"), {})
    assert "4. 4." in capsys.readouterr().out
