"""Regions onto the wafer: a corner for each, none on another, streams short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from waferc.layouts.shelves import shelves
from waferc.passes.base import Pass
from waferc.unit import Unit
from waferc_ir.diagnostics import WaferError
from waferc_ir.machine import Machine
from waferc_ir.ops import stream
from waferc_ir.program import Program
from waferc_ir.types import Region, TiledType

Corner = tuple[int, int]


class PlaceError(WaferError):
    """Regions do not fit the program rectangle."""

    code = "place"


@dataclass(frozen=True)
class Place(Pass):
    """Put every region in a place of its own in the machine's program rectangle.

    Regions of one height are set in rows, in program order. Others go where their streams to the
    regions before them are shortest, counted in words times hops, if that leaves room for all.
    """

    name = "place"

    def run(self, unit: Unit) -> Unit:
        program, machine = unit.program, unit.machine
        if program.kind != "tiled":
            raise PlaceError(f"program @{program.name} has no regions yet", help="run tile first")
        words = stream_words(program)
        regions = program.regions
        on_shelves = len({region.height for region in regions}) == 1
        corners = _in_rows(regions, machine) if on_shelves else None
        corners = corners or _nearest(regions, words, machine) or _in_rows(regions, machine)
        if corners is None:
            raise _too_large(program.regions, machine)
        regions = tuple(
            replace(region, x=x, y=y)
            for region, (x, y) in zip(program.regions, corners, strict=True)
        )
        return unit.with_program(replace(program, regions=regions))


def stream_words(program: Program) -> dict[tuple[str, str], int]:
    """Words that go from a region to another in one call, all rows together."""
    words: dict[tuple[str, str], int] = {}
    for statement in program.statements:
        op = statement.op
        if not isinstance(op, stream.Transfer):
            continue
        given = op.x.type
        assert isinstance(given, TiledType)
        split = given.layout.split_of("y") is not None
        rows = program.region(given.region).height if split else 1
        pair = (given.region, op.region)
        words[pair] = words.get(pair, 0) + given.local_elements * rows
    return words


def _nearest(
    regions: Sequence[Region], words: Mapping[tuple[str, str], int], machine: Machine
) -> list[Corner] | None:
    """Corners, each the best for its region given those before; None if one finds no room."""
    placed: list[Region] = []
    for region in regions:
        columns, rows = {0}, {0}
        for other in placed:  # flush with an edge of another, on either side of it
            x, y = _corner(other)
            columns |= {x, x + other.width, x - region.width}
            rows |= {y, y + other.height, y - region.height}
        options: list[tuple[int, int, int, int]] = []
        for y in sorted(rows):
            for x in sorted(columns):
                here = replace(region, x=x, y=y)
                if _fits(here, machine) and not any(_overlap(here, other) for other in placed):
                    cost = sum(_length(here, other, words) for other in placed)
                    options.append((cost, max(x + region.width, y + region.height), y, x))
        if not options:
            return None
        _, _, y, x = min(options)
        placed.append(replace(region, x=x, y=y))
    return [_corner(region) for region in placed]


def _in_rows(regions: Sequence[Region], machine: Machine) -> list[Corner] | None:
    """Corners of regions set side by side, a new row where one is full; None if that fails."""
    corners: list[Corner] = []
    x = y = bottom = row = 0
    rows = shelves([region.width for region in regions], machine.program_width)
    for region, shelf in zip(regions, rows, strict=True):
        if shelf != row:
            x, y, row = 0, bottom, shelf
        if not _fits(replace(region, x=x, y=y), machine):
            return None
        corners.append((x, y))
        x += region.width
        bottom = max(bottom, y + region.height)
    return corners


def _fits(region: Region, machine: Machine) -> bool:
    x, y = _corner(region)
    return (
        x >= 0
        and y >= 0
        and x + region.width <= machine.program_width
        and y + region.height <= machine.program_height
    )


def _overlap(first: Region, second: Region) -> bool:
    (x, y), (other_x, other_y) = _corner(first), _corner(second)
    return (
        x < other_x + second.width
        and other_x < x + first.width
        and y < other_y + second.height
        and other_y < y + first.height
    )


def _length(here: Region, other: Region, words: Mapping[tuple[str, str], int]) -> int:
    """Words times hops of the streams between two regions."""
    total = 0
    for source, target in ((here, other), (other, here)):
        (x, y), (target_x, target_y) = _corner(source), _corner(target)
        hops = abs(target_x - (x + source.width - 1)) + abs(target_y - y)
        total += words.get((source.name, target.name), 0) * hops
    return total


def _corner(region: Region) -> Corner:
    assert region.x is not None
    assert region.y is not None
    return region.x, region.y


def _too_large(regions: Sequence[Region], machine: Machine) -> PlaceError:
    count = sum(region.width * region.height for region in regions)
    sizes = ", ".join(f"@{region.name} {region.width} x {region.height}" for region in regions)
    return PlaceError(
        f"{len(regions)} regions with {count:,} PEs do not fit side by side on {machine.name}",
        notes=[
            f"its program rectangle has {machine.program_width} x {machine.program_height} PEs,"
            f" {machine.program_width * machine.program_height:,} in all",
            f"regions: {sizes}",
        ],
        help="ask for smaller regions or fewer stages",
    )
