"""What the README shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from waferc import cli

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_the_python_example_runs(tmp_path: Path) -> None:
    found = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert found is not None
    rooms = [str(ROOT / room) for room in ("compiler", "ir", "runtime")]
    done = subprocess.run(
        [sys.executable, "-c", found[1]],
        env={"PYTHONPATH": ":".join(rooms), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "equal within tolerance" in done.stdout
    assert (tmp_path / "build" / "mlp" / "csl" / "layout.csl").is_file()


def test_every_verb_it_names_is_there() -> None:
    named = set(re.findall(r"^    waferc ([a-z]+)", README, re.MULTILINE))
    assert named
    assert named <= set(cli.VERBS)


def test_every_file_it_names_is_there() -> None:
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / link).exists(), link
