"""Machines: every number has a source, grids are within the wafer, tables show it all."""

from __future__ import annotations

from dataclasses import fields

import pytest

from waferc_ir.machine import MACHINES, Machine, MachineError, constants, describe, machine

NAMES = {"name", "arch", "provenance"}


@pytest.mark.parametrize("of", MACHINES.values(), ids=MACHINES)
def test_every_constant_has_a_source_and_every_source_a_constant(of: Machine) -> None:
    assert set(of.provenance) == {field.name for field in fields(of)} - NAMES
    assert all(provenance.source for provenance in of.provenance.values())


@pytest.mark.parametrize("of", MACHINES.values(), ids=MACHINES)
def test_the_table_shows_every_constant(of: Machine) -> None:
    rows = constants(of)
    assert [row.name for row in rows] == [f.name for f in fields(of) if f.name not in NAMES]
    lines = describe(of).splitlines()
    assert len(lines) == 2 + len(rows)
    for row, line in zip(rows, lines[2:], strict=True):
        assert line.startswith(row.name)
        assert f" {row.value} " in line
        assert line.endswith(row.provenance.source)


@pytest.mark.parametrize("of", MACHINES.values(), ids=MACHINES)
def test_constants_agree_with_each_other(of: Machine) -> None:
    assert of.program_width <= of.fabric_width
    assert of.program_height <= of.fabric_height
    assert all(color < of.colors for color in of.reserved_colors)
    assert all(queue < len(of.input_queue_depths) for queue in of.reserved_input_queues)
    assert all(queue < len(of.output_queue_depths) for queue in of.reserved_output_queues)
    assert of.reserved_bytes < of.sram_bytes


def test_a_grid_is_the_same_machine_with_fewer_pes() -> None:
    grid = machine("wse3").grid(4, 3)
    assert (grid.program_width, grid.program_height) == (4, 3)
    assert grid.sram_bytes == machine("wse3").sram_bytes


@pytest.mark.parametrize(("width", "height"), [(0, 1), (1, -1), (756, 1), (1, 1171)])
def test_a_grid_that_does_not_fit_is_refused(width: int, height: int) -> None:
    with pytest.raises(MachineError, match=f"a grid of {width} x {height} PEs does not fit wse3"):
        machine("wse3").grid(width, height)


def test_an_unknown_machine_is_refused_with_the_known_ones() -> None:
    with pytest.raises(MachineError) as caught:
        machine("wse9")
    assert str(caught.value) == (
        "error[machine]: no machine is called 'wse9'\n  = help: known machines: wse2, wse3"
    )
