"""The samples do what they say: equal text, equal predictions, exit code 0."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from samples import char_gpt, demo, digits

import waferc


def test_the_demo_continues_a_prompt_as_pytorch_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo"
    assert demo.main(["--steps", "25", "--tokens", "2", "--output", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "the same text" in printed
    assert "equal within tolerance" in printed
    assert "of 49,152 bytes" in printed
    assert (out / "csl" / "layout.csl").is_file()
    regions = {(p.region.x, p.region.y) for p in waferc.load(out).bundle.manifest.state}
    assert len(regions) > 1


def test_the_digits_are_classified_as_pytorch_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert digits.main(epochs=6) == 0
    assert capsys.readouterr().out.count("450 of 450 predictions are the same") == 2


def test_training_is_repeatable() -> None:
    config = char_gpt.Config(context=8, width=8, layers=1, heads=2)
    first, _ = char_gpt.train(config, steps=3)
    second, _ = char_gpt.train(config, steps=3)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_text_survives_encoding() -> None:
    text = 'The "if" statement\n'
    assert char_gpt.decode(char_gpt.encode(text)) == text
    assert char_gpt.decode(char_gpt.encode("a\u2603b")) == "ab"
