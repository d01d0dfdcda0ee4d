"""Every error with its text: a file is layout and PE code in one, for wse3 or `// wse2`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from waferc_ir.diagnostics import WaferError
from waferc_ir.machine import machine
from waferc_runtime.csl import context
from waferc_runtime.csl.elaborate import elaborate

CASES = Path(__file__).parent / "errors"
OTHER = "param size: i16;\nconst x = size;\n"
Golden = Callable[[Path, str], None]


@pytest.mark.parametrize("path", sorted(CASES.glob("*.csl")), ids=lambda path: path.stem)
def test_a_wrong_program_is_explained(
    path: Path, golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "MAX_ITERATIONS", 10_000)
    text = path.read_text(encoding="utf-8")
    arch = "wse2" if text.startswith("// wse2") else "wse3"
    with pytest.raises(WaferError) as caught:
        elaborate({path.name: text, "other.csl": OTHER}, path.name, machine(arch), {})
    golden(path.with_suffix(".expect"), f"{caught.value.render()}\n")
