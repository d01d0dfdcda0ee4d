"""Colors for the collectives of regions; a path and a color for every row of every stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from waferc.layouts.lines import Demand, best_line, wavelets
from waferc.passes.base import Pass
from waferc.passes.route_search import PE, Wiring, corners_of
from waferc.unit import Unit
from waferc_ir.diagnostics import Location, WaferError
from waferc_ir.machine import Machine
from waferc_ir.ops import collective, stream
from waferc_ir.program import Program, Statement
from waferc_ir.types import AXES, Axis, Line, Path, Region, TiledType
from waferc_ir.verify_wafer import COLLECTIVE_COLORS, GROUP_COLORS

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
    demands = _demands(program, region)
    passing = _STREAM_COLORS if _receives(program, region) else 0
    region, collectives = _with_lines(region, demands, machine, len(colors), streams=passing > 0)
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


def _with_lines(
    region: Region, demands: Mapping[Axis, Demand], machine: Machine, colors: int, *, streams: bool
) -> tuple[Region, int]:
    """The region with the best lines for its collectives, and how many colors these take.

    Where a region also receives streams, groups along both axes would take more queues than a PE
    has; and they take colors that paths may need.
    """
    if not demands:
        return region, 0
    grouped = not streams and colors >= GROUP_COLORS
    lines: list[int] = []
    for axis in AXES:
        pes = region.extent(axis)
        demand = demands.get(axis)
        line = Line(pes, pes - 1)
        if demand is not None:
            line = best_line(machine, pes, demand, grouped=grouped)
        lines += [line.root, line.group]
    count = GROUP_COLORS if any(lines[1::2]) else COLLECTIVE_COLORS
    return replace(region, lines=tuple(lines)), count


def _demands(program: Program, region: Region) -> dict[Axis, Demand]:
    """What a region's lines are for, by the axes along which it has collectives.

    Multiplications demand chains to the last PEs, which without a demand are the best.
    """
    found: dict[Axis, Demand] = {}
    if any(_multiplies(statement, region) for statement in program.statements):
        return dict.fromkeys(AXES, Demand())
    for statement in program.statements:
        op = statement.op
        if not isinstance(op, collective.AllReduce | collective.AllGather):
            continue
        given = op.x.type
        assert isinstance(given, TiledType)
        if given.region != region.name:
            continue
        assert statement.result is not None
        assert isinstance(statement.result.type, TiledType)
        # an all_reduce has as many elements in its result as in every tile
        words = wavelets(statement.result.type.local_elements, given.dtype)
        before = found.get(op.axis, Demand())
        if isinstance(op, collective.AllReduce):
            found[op.axis] = replace(before, reductions=(*before.reductions, words))
        else:
            gather = words, given.blocks(op.axis)
            found[op.axis] = replace(before, gathers=(*before.gathers, gather))
    return found


def _multiplies(statement: Statement, region: Region) -> bool:
    if not isinstance(statement.op, collective.Multiply):
        return False
    given = statement.op.rows.type
    return isinstance(given, TiledType) and given.region == region.name


def _receives(program: Program, region: Region) -> bool:
    return any(
        isinstance(s.op, stream.Transfer) and s.op.region == region.name for s in program.statements
    )


def _occupy(wiring: Wiring, program: Program, region: Region) -> None:
    """Enter the colors that a region's own program uses on its PEs."""
    axes = _demands(program, region)
    used = {color for axis in axes for color in region.axis_colors(axis)}
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
