from __future__ import annotations

import io

import pytest

from waferc.options import CompileOptions, OptionError, parse_calls, parse_region
from waferc.progress import Progress
from waferc_ir.machine import WSE2, MachineError


def test_a_machine_is_found_by_name_or_taken_as_it_is() -> None:
    assert CompileOptions(target="wse2").machine is WSE2
    assert CompileOptions(target=WSE2).machine is WSE2
    with pytest.raises(MachineError, match="known machines: wse2, wse3"):
        _ = CompileOptions(target="wse9").machine


def test_regions_are_width_by_height() -> None:
    assert parse_region("16x8") == (16, 8)


@pytest.mark.parametrize("text", ["16", "x", "16x", "-1x2", "1x2x3", "9" * 40 + "x1", "1.5x2"])
def test_what_is_no_region_is_an_error(text: str) -> None:
    with pytest.raises(OptionError, match="WIDTHxHEIGHT"):
        parse_region(text)


def test_values_that_cannot_be_are_refused() -> None:
    with pytest.raises(OptionError, match="dtype is 'f64'"):
        CompileOptions(dtype="f64")
    with pytest.raises(OptionError, match="stages is 0"):
        CompileOptions(stages=0)
    with pytest.raises(OptionError, match="the level is 3"):
        CompileOptions(optimize=3)
    with pytest.raises(OptionError, match="a time budget is given, and level 1 compares no plans"):
        CompileOptions(time_budget=3.0)
    with pytest.raises(OptionError, match="measure is given, and level 0"):
        CompileOptions(optimize=0, measure=2)
    with pytest.raises(OptionError, match="the time budget is nan seconds"):
        CompileOptions(optimize=2, time_budget=float("nan"))
    with pytest.raises(OptionError, match="measure is -1"):
        CompileOptions(optimize=2, measure=-1)
    with pytest.raises(OptionError, match="called decode 0 times"):
        CompileOptions(calls={"decode": 0, "prefill": 1})
    with pytest.raises(MachineError, match="0 x 4 PEs"):
        CompileOptions(region=(0, 4))
    with pytest.raises(MachineError, match="does not fit wse2"):
        CompileOptions(target="wse2", region=(10_000, 4))


def test_calls_are_numbers_of_entries() -> None:
    assert parse_calls(["prefill=1", "decode=8"]) == {"prefill": 1, "decode": 8}
    for text in ("8", "=8", "decode=", "decode=-1", "decode=1.5"):
        with pytest.raises(OptionError, match="ENTRY=NUMBER"):
            parse_calls([text])


def test_progress_speaks_to_terminals_only() -> None:
    quiet, loud = io.StringIO(), io.StringIO()
    for stream, enabled in ((quiet, None), (loud, True)):
        with Progress(stream, enabled=enabled).step("tile"):
            pass
    assert quiet.getvalue() == ""
    assert "tile ..." in loud.getvalue()
    assert loud.getvalue().endswith(" s\n")
