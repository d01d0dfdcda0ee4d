"""Golden files: what a program prints as, and what is said about a bad one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from waferc_ir import WaferError, parse, print_program, verify

GOLDEN = Path(__file__).parent.parent / "golden"
Golden = Callable[[Path, str], None]


def _cases(folder: str) -> list[Path]:
    return sorted((GOLDEN / folder).glob("*.wir"))


@pytest.mark.parametrize("path", _cases("text"), ids=lambda path: path.stem)
def test_program_prints_canonically(path: Path, golden: Golden) -> None:
    program = parse(path.read_text(encoding="utf-8"), path.name)
    verify(program)
    text = print_program(program, places=True)
    golden(path.with_suffix(".expect"), text)
    assert print_program(parse(text), places=True) == text


@pytest.mark.parametrize("path", _cases("errors"), ids=lambda path: path.stem)
def test_bad_program_is_explained(path: Path, golden: Golden) -> None:
    with pytest.raises(WaferError) as caught:
        verify(parse(path.read_text(encoding="utf-8"), path.name))
    golden(path.with_suffix(".expect"), f"{caught.value.render()}\n")
