"""What a program becomes on several wafers, against what it means on one."""

from __future__ import annotations

import math

import numpy as np
import pytest

import waferc
from waferc.evaluate.tiled import evaluate
from waferc.passes.place import PlaceError
from waferc.passes.split_wafers import split_wafers
from waferc.unit import Unit
from waferc_ir.dtypes import DType
from waferc_ir.ops import collective, stream, tile_compute, tile_structure
from waferc_ir.program import Builder, Program
from waferc_ir.types import Layout, Region, Split

LOWEST = -math.inf
SMALL = waferc.machine("wse2").grid(1, 2)


def largest() -> Program:
    """The largest element, of what a region sends to the next with padding that is the lowest."""
    builder = Builder()
    x = builder.add(tile_structure.Input("x", (5,), DType.F32, "r0", Layout((Split("y", 3),))))
    masked = builder.add(tile_compute.MaskPadding(x, LOWEST))
    sent = builder.add(stream.Transfer(masked, "r1"))
    partial = builder.add(tile_compute.Reduce(sent, "max", (0,)))
    builder.effect(tile_structure.Output(builder.add(collective.AllReduce(partial, "y")), "y"))
    regions = (Region("r0", 1, 2), Region("r1", 1, 2))
    return Program("tiled", "p", tuple(builder.statements), regions)


def test_padding_is_on_the_next_wafer_what_it_was() -> None:
    program = largest()
    split = split_wafers(Unit(program, {}, SMALL), 2)
    (link,) = split.links
    assert (link.source, link.target, link.size_bytes) == (0, 1, 20)
    inputs = {"x": np.linspace(-4, -3, 5, dtype=np.float32)}
    expected = evaluate(program, inputs, {}, poison=True)["y"]
    handed = evaluate(split.wafers[0].program, inputs, {}, poison=True)
    found = evaluate(split.wafers[1].program, handed, {}, poison=True)["y"]
    assert set(handed) == {link.label}
    np.testing.assert_array_equal(found, expected)


def test_one_wafer_keeps_the_program_and_too_few_are_refused() -> None:
    unit = Unit(largest(), {}, SMALL)
    assert split_wafers(unit, 1).wafers == (unit,)
    three = Program(
        "tiled", "p", unit.program.statements, (*unit.program.regions, Region("r2", 1, 2))
    )
    with pytest.raises(PlaceError, match="3 regions need 3 wafers"):
        split_wafers(Unit(three, {}, SMALL), 2)
