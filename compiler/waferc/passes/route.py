"""Colors for the collectives of regions; a path and a color for every row of every stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from waferc.passes.base import Pass
from waferc.passes.route_search import PE, Wiring, corners_of
from waferc.unit import Unit
from waferc_ir.diagnostics import Location, WaferError
from waferc_ir.machine import Machine
from waferc_ir.ops import collective, stream
from waferc_ir.program import Program
from waferc_ir.types import AXES, Path, Region, TiledType

_COLLECTIVE_COLORS = 6
_STREAM_COLORS = 2


class RouteError(WaferError):
    """Colors run out."""

    code = "route"


@dataclass(frozen=True)
class Route(Pass):
    """Give collectives their colors and every row of every stream a path and a color.

    All regions use the same colors for collectives and for passing streams on, as they are
    disjoint. Paths are short and avoid one another; on every PE that one touches, its color has no
    other use. Streams between the same two PEs share a path.
    """

    name = "route"

    def run(self, unit: Unit) -> Unit:
        program, machine = unit.program, unit.machine
        unplaced = [region.name for region in program.regions if region.x is None]
        if program.kind != "tiled" or unplaced:
            names = ", ".join(f"@{name}" for name in unplaced)
            raise RouteError(f"regions without a place: {names or 'all'}", help="run place first")
        colors = [c for c in range(machine.colors) if c not in machine.reserved_colors]
        regions = tuple(_colored(program, region, colors, machine) for region in program.regions)
        program = replace(program, regions=regions)
        wiring = Wiring(machine.program_width, machine.program_height)
        for region in regions:
            _occupy(wiring, program, region)
        paths: dict[tuple[PE, PE], tuple[int, tuple[PE, ...]]] = {}
        routed: list[Path] = []
        for line in _lines(program):
            ends = (line.source, line.target)
            if ends not in paths:
                found = wiring.connect(line.source, line.target, colors)
                if found is None:
                    raise _no_color(line, wiring, colors, machine)
                paths[ends] = found[0], corners_of(found[1])
            color, corners = paths[ends]
            routed.append(Path(line.stream, line.row, color, corners))
        return unit.with_program(replace(program, paths=tuple(routed)))


@dataclass(frozen=True)
class _Line:
    """One row of a stream that sends: from PE to PE."""

    stream: int
    row: int
    source: PE
    target: PE
    at: Location | None = field(compare=False, default=None)


def _lines(program: Program) -> Iterator[_Line]:
    transfers = [s for s in program.statements if isinstance(s.op, stream.Transfer)]
    for number, statement in enumerate(transfers):
        op = statement.op
        assert isinstance(op, stream.Transfer)
        given = op.x.type
        assert isinstance(given, TiledType)
        source, target = program.region(given.region), program.region(op.region)
        (x, y), (target_x, target_y) = _corner(source), _corner(target)
        split = given.layout.split_of("y") is not None
        for row in range(source.height if split else 1):
            start = (x + source.width - 1, y + row)
            yield _Line(number, row, start, (target_x, target_y + row), statement.at)


def _colored(program: Program, region: Region, colors: Sequence[int], machine: Machine) -> Region:
    """The region with colors for what it does: collectives, passing streams on."""
    collectives = _COLLECTIVE_COLORS if _axes(program, region) else 0
    passing = _STREAM_COLORS if _receives(program, region) else 0
    if collectives + passing > len(colors):
        raise RouteError(
            f"region @{region.name} needs {collectives + passing} colors for collectives and"
            f" streams, and {machine.name} has {len(colors)} free"
        )
    return replace(
        region,
        colors=tuple(colors[:collectives]),
        stream_colors=tuple(colors[collectives : collectives + passing]),
    )


def _axes(program: Program, region: Region) -> set[str]:
    """Axes along which a region has collectives."""
    axes: set[str] = set()
    for statement in program.statements:
        op = statement.op
        if isinstance(op, collective.AllReduce | collective.AllGather):
            given = op.x.type
            assert isinstance(given, TiledType)
            if given.region == region.name:
                axes.add(op.axis)
    return axes


def _receives(program: Program, region: Region) -> bool:
    return any(
        isinstance(s.op, stream.Transfer) and s.op.region == region.name for s in program.statements
    )


def _occupy(wiring: Wiring, program: Program, region: Region) -> None:
    """Enter the colors that a region's own program uses on its PEs."""
    axes = _axes(program, region)
    used = {
        color
        for place, axis in enumerate(AXES)
        if axis in axes
        for color in region.colors[3 * place : 3 * place + 3]
    }
    wiring.occupy(_corner(region), region.width, region.height, used | set(region.stream_colors))


def _corner(region: Region) -> PE:
    assert region.x is not None
    assert region.y is not None
    return region.x, region.y


def _no_color(line: _Line, wiring: Wiring, colors: Sequence[int], machine: Machine) -> RouteError:
    taken = {
        name: len(wiring.colors_at(pe))
        for name, pe in (("sender", line.source), ("receiver", line.target))
    }
    return RouteError(
        f"no color is left for stream {line.stream}, row {line.row},"
        f" from PE {line.source} to PE {line.target}",
        line.at,
        notes=[
            f"{machine.name} has {len(colors)} colors beside those of host input and output",
            f"{taken['sender']} of them are in use on the sending PE,"
            f" {taken['receiver']} on the receiving PE",
        ],
        help="use fewer stages, so that fewer streams cross one another",
    )
