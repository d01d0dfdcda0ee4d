"""Faults seeded into emitted text: the checker finds them from the text alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from waferc_ir.machine import MACHINES
from waferc_runtime.check import check_sources

KERNELS = Path(__file__).parents[2] / "golden" / "kernels"
STREAM = ".rx = .{ RAMP }, .tx = .{ EAST } } });\n  @set_color_config(1, 0, @get_color(2)"


def messages(file: str, old: str, new: str, arch: str = "wse3") -> list[str]:
    """Problems of the streams case after replacing `old` by `new` in one of its files."""
    sources = {
        path.name.removeprefix("streams."): path.read_text()
        for path in KERNELS.glob("streams.*.csl")
    }
    assert old in sources[file]
    sources[file] = sources[file].replace(old, new)
    problems = check_sources(sources, "layout.csl", MACHINES[arch], {})
    return [problem.message for problem in problems]


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
def test_the_text_as_it_is_has_no_problem(arch: str) -> None:
    assert messages("layout.csl", "layout", "layout", arch) == []


def test_a_path_that_does_not_connect() -> None:
    found = messages("layout.csl", STREAM, STREAM.replace("EAST", "SOUTH"))
    assert found == [
        "color 2 is awaited from the west on PE (1, 0), which does not send it",
        "color 2 leaves PE (0, 0) to the south, where the next PE does not accept it",
        "PE (1, 0) waits in op1_receive for color 2, which no route brings to its ramp",
        "PE (0, 0) sends color 2 in op1_send, but no PE on its route receives it",
    ]


def test_a_send_that_is_missing() -> None:
    found = messages("r0.csl", "  op1_send();\n", "")
    assert found == [
        "PE (1, 0) waits in op1_receive for color 2,"
        " which the PE where its route begins never sends"
    ]


def test_a_send_by_the_wrong_pe() -> None:
    found = messages("r0.csl", "x_last and y_first", "x_last and y_last")
    assert found == [
        "PE (1, 0) waits in op1_receive for color 2,"
        " which the PE where its route begins never sends",
        "PE (0, 1) sends color 2 in op1_send, but no route takes it from its ramp",
    ]


def test_an_array_that_does_not_fit() -> None:
    found = messages("r0.csl", "@zeros([16]f32)", "@zeros([11016]f32)")
    assert found == ["PE (0, 0) needs 50,208 bytes of SRAM and has 49,152"]


def test_text_that_cannot_be_read_is_one_problem() -> None:
    found = messages("layout.csl", "@set_rectangle(4, 2);", "@set_rectangle(4, 2;")
    assert len(found) == 1
