"""How passes and their options are written, and what is said about mistakes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from waferc.passes.base import Pass, PassError, option_types, parse_passes
from waferc.unit import Unit


@dataclass(frozen=True)
class Cut(Pass):
    """Cut into pieces."""

    name: ClassVar[str] = "cut"
    pieces: int = 2
    share: float = 0.5
    into: str | None = None
    loud: bool = False

    def run(self, unit: Unit) -> Unit:
        return unit


@dataclass(frozen=True)
class Glue(Pass):
    """Glue together."""

    name: ClassVar[str] = "glue"

    def run(self, unit: Unit) -> Unit:
        return unit


KNOWN: dict[str, type[Pass]] = {"cut": Cut, "glue": Glue}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cut", (Cut(),)),
        ("cut{pieces=64},glue", (Cut(pieces=64), Glue())),
        (" cut { pieces = 3 , loud=true,into=x } , glue", (Cut(3, into="x", loud=True), Glue())),
        ("cut{share=1e-3,into=none}", (Cut(share=0.001),)),
        ("glue,glue", (Glue(), Glue())),
        ("glue{}", (Glue(),)),
    ],
)
def test_passes_are_read(text: str, expected: tuple[Pass, ...]) -> None:
    assert parse_passes(text, KNOWN) == expected


def test_passes_are_written_as_they_are_read() -> None:
    one = Cut(pieces=7, into="a", loud=True)
    assert one.describe() == "cut{pieces=7,into=a,loud=true}"
    assert parse_passes(one.describe(), KNOWN) == (one,)


def test_options_are_listed_with_their_types() -> None:
    assert option_types(Cut) == {
        "pieces": "int", "share": "float", "into": "none or str", "loud": "bool",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        ("cutt", "no pass is called cutt", "did you mean cut"),
        ("", "a pass has no name", "known: cut, glue"),
        ("cut{piece=3}", "pass cut has no option piece", "did you mean pieces"),
        ("glue{a=1}", "pass glue has no option a", "glue has no options"),
        ("cut{pieces}", "pass cut: option pieces has no value", None),
        ("cut{pieces=x}", "pass cut: option pieces is int, not x", None),
        ("cut{pieces=}", "pass cut: option pieces is int, not nothing", None),
        ("cut{loud=1}", "pass cut: option loud is bool (true, false), not 1", None),
        ("cut{pieces=1,pieces=2}", "pass cut: option pieces is given twice", None),
        ("cut{pieces=1", "a brace is not closed", None),
        ("cut}", "braces do not match", None),
        ("cut{{}}", "braces do not match", None),
        ("cut{pieces=1}x", "pass cut: text after the closing brace", None),
    ],
)
def test_mistakes_are_named(text: str, message: str, help: str | None) -> None:
    with pytest.raises(PassError) as caught:
        parse_passes(text, KNOWN)
    assert (caught.value.message, caught.value.help) == (message, help)


def test_all_mistakes_are_reported() -> None:
    with pytest.raises(PassError) as caught:
        parse_passes("cut{pieces=x},glu", KNOWN)
    assert str(caught.value) == (
        "error[pass]: pass cut: option pieces is int, not x\n"
        " --> passes:1:1\n"
        "  |\n"
        "1 | cut{pieces=x},glu\n"
        "  | ^^^^^^^^^^^^^\n"
        "\n"
        "error[pass]: no pass is called glu\n"
        " --> passes:1:15\n"
        "  |\n"
        "1 | cut{pieces=x},glu\n"
        "  |               ^^^\n"
        "  = help: did you mean glue"
    )
