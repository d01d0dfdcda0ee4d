"""The vendor's public programs, where a copy of them is at hand: WAFERC_CSL_EXAMPLES names it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from waferc_runtime.csl.parse import parse

FOLDER = os.environ.get("WAFERC_CSL_EXAMPLES")


@pytest.mark.skipif(FOLDER is None, reason="WAFERC_CSL_EXAMPLES is not set")
def test_all_public_programs_parse() -> None:
    paths = sorted(Path(FOLDER or ".").rglob("*.csl"))
    assert paths
    for path in paths:
        assert parse(path.read_text(encoding="utf-8"), str(path)).name == str(path)
