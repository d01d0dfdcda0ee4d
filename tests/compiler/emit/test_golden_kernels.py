"""The CSL of each kernel family, word for word."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.compiler.emit.examples_tiles import EXAMPLES, example

from waferc.emit.emit import emit
from waferc_runtime.csl.parse import parse

GOLDEN = Path(__file__).parents[2] / "golden" / "kernels"


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_kernel_family_emits_its_golden_text(name: str, request: pytest.FixtureRequest) -> None:
    for source, text in emit(example(name)).sources.items():
        file = GOLDEN / f"{name}.{source}"
        if request.config.getoption("--update-golden", default=False):
            file.write_text(text)
        assert text == file.read_text()


@pytest.mark.parametrize("name", EXAMPLES)
def test_emitted_text_parses_and_is_the_same_each_time(name: str) -> None:
    first, second = emit(example(name)).sources, emit(example(name)).sources
    assert first == second
    for file, text in first.items():
        parse(text, file)


@pytest.mark.parametrize("name", EXAMPLES)
def test_both_architectures_get_the_same_text(name: str) -> None:
    assert emit(example(name, "wse2")).sources == emit(example(name, "wse3")).sources
