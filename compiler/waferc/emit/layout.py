"""The layout file: which code on which PE, which color on which link, what the host sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from waferc.emit.diagnostics import EmitError
from waferc.emit.environment import render
from waferc.emit.line_links import line_colors
from waferc.emit.line_routes import line_routes
from waferc.emit.names import identifier
from waferc.emit.pe_program import PeProgram
from waferc.emit.routes import (
    RouteGroup,
    pass_routes,
    range_text,
    stream_routes,
)
from waferc_ir.ops import stream
from waferc_ir.program import Program
from waferc_ir.types import AXES, Region, TiledType

LAYOUT = "layout.csl"
IDLE = "idle.csl"
StreamColors = Mapping[tuple[str, str], Mapping[int, int]]  # of region and parameter: by row


@dataclass(frozen=True, slots=True)
class TileBlock:
    """A rectangle of PEs that get the same file; `rows` are those of the region it stands in."""

    comment: str
    x: int
    y: int
    width: int
    rows: range
    file: str
    params: tuple[tuple[str, str], ...]

    @property
    def row_range(self) -> str:
        """The range of the loop over rows."""
        return range_text(self.rows)

    @property
    def column(self) -> str:
        """Column of a PE in the program's rectangle."""
        return f"px + {self.x}" if self.x else "px"

    @property
    def row(self) -> str:
        """Row of a PE in the program's rectangle."""
        return f"py + {self.y}" if self.y else "py"


@dataclass(frozen=True, slots=True)
class Rectangle:
    """PEs [x, x + width) by [y, y + height)."""

    x: int
    y: int
    width: int
    height: int


def file_name(region: str) -> str:
    """The PE file of a region."""
    name = identifier(region)
    return f"{name}_region.csl" if name in ("layout", "idle") else f"{name}.csl"


def extent(program: Program) -> tuple[int, int]:
    """Width and height of the rectangle that the program needs, from PE (0, 0) on.

    Raises:
        EmitError: a region has no place.
    """
    width, height = 1, 1
    for region in program.regions:
        if region.x is None or region.y is None:
            raise EmitError(
                f"region @{region.name} has no place", help="run the passes place and route first"
            )
        width = max(width, region.x + region.width)
        height = max(height, region.y + region.height)
    for path in program.paths:
        width = max([width, *(x + 1 for x, _ in path.corners)])
        height = max([height, *(y + 1 for _, y in path.corners)])
    return width, height


def idle_rectangles(program: Program) -> list[Rectangle]:
    """What the regions leave free of the program's rectangle, in bands of rows."""
    width, height = extent(program)
    placed = [(r, r.x or 0, r.y or 0) for r in program.regions]
    edges = sorted({0, height, *(y for _, _, y in placed), *(y + r.height for r, _, y in placed)})
    free: list[Rectangle] = []
    for top, bottom in pairwise(edges):
        left = 0
        inside = sorted((x, r.width) for r, x, y in placed if y <= top < y + r.height)
        for x, taken in [*inside, (width, 0)]:
            if x > left:
                free.append(Rectangle(left, top, x - left, bottom - top))
            left = max(left, x + taken)
    return free


def layout_text(program: Program, programs: Sequence[PeProgram], entries: Sequence[str]) -> str:
    """The text of the layout file; `entries` are the functions that the host launches.

    Raises:
        EmitError: a region that communicates lacks colors, or a stream lacks its path.
    """
    width, height = extent(program)
    colors: list[tuple[str, int]] = []
    blocks: list[TileBlock] = []
    routes: list[RouteGroup] = []
    streams = _stream_colors(program)
    for pe_program in programs:
        region = program.region(pe_program.region)
        named = dict(_region_colors(region, pe_program))
        colors += [(f"{identifier(region.name)}_{name}", value) for name, value in named.items()]
        blocks += _tile_blocks(streams, region, pe_program, named)
        for axis in AXES:
            if f"{axis}_even" in named:
                routes.append(line_routes(region, axis, f"{identifier(region.name)}_"))
            if f"pass_{axis}" in named:
                name = f"{identifier(region.name)}_pass_{axis}"
                routes.append(pass_routes(region, axis, name))
    blocks += [
        TileBlock("no region", r.x, r.y, r.width, range(r.height), IDLE, ())
        for r in idle_rectangles(program)
    ]
    routes += stream_routes(program.paths)
    exports = [
        (export.symbol, export.array.element, str(export.is_mutable).lower())
        for pe_program in programs
        for export in pe_program.exports
    ]
    return render(
        "layout.csl.j2",
        program=program.name,
        width=width,
        height=height,
        colors=colors,
        tiles=blocks,
        routes=routes,
        exports=exports,
        entries=entries,
    )


def _region_colors(region: Region, pe_program: PeProgram) -> Iterator[tuple[str, int]]:
    """The colors that a region uses of its own: name of the parameter and number."""
    for name in pe_program.color_params:
        axis, _, role = name.partition("_")
        if axis in ("x", "y"):
            names = line_colors(axis, region.line(axis))
            # where one axis has groups, the other gets as many colors
            if len(region.axis_colors(axis)) < len(names):
                raise _unrouted(region, "its collectives")
            yield name, region.axis_colors(axis)[names.index(name)]
        elif axis == "pass":
            if len(region.stream_colors) != 2:
                raise _unrouted(region, "passing streams on")
            yield name, region.stream_colors[0 if role == "x" else 1]


def _unrouted(region: Region, purpose: str) -> EmitError:
    return EmitError(
        f"region @{region.name} has no colors for {purpose}", help="run the pass route first"
    )


def _tile_blocks(
    streams: StreamColors, region: Region, pe_program: PeProgram, named: Mapping[str, int]
) -> Iterator[TileBlock]:
    """Blocks of rows whose parameters are alike: one, unless a stream's color varies by row."""
    assert region.x is not None
    assert region.y is not None

    def params(row: int) -> tuple[tuple[str, str], ...]:
        own = [("px", "px"), ("py", "py")]
        for name in pe_program.color_params:
            if name in named:
                own.append((name, f"{identifier(region.name)}_{name}"))
            else:
                own.append((name, f"@get_color({_stream_color(streams, region, name, row)})"))
        return tuple(own)

    comment = f"region {region.name}: {region.width} x {region.height} PEs"
    for values, rows in groupby(range(region.height), key=params):
        span = list(rows)
        yield TileBlock(
            comment,
            region.x,
            region.y,
            region.width,
            range(span[0], span[-1] + 1),
            file_name(region.name),
            values,
        )


def _stream_colors(program: Program) -> StreamColors:
    """The colors of all streams."""
    transfers = [s.op for s in program.statements if isinstance(s.op, stream.Transfer)]
    found: dict[tuple[str, str], dict[int, int]] = {}
    for path in program.paths:
        transfer = transfers[path.stream]
        given = transfer.x.type
        assert isinstance(given, TiledType)
        for mine, name in (
            (given.region, f"to_{identifier(transfer.region)}"),
            (transfer.region, f"from_{identifier(given.region)}"),
        ):
            found.setdefault((mine, name), {}).setdefault(path.row, path.color)
    return found


def _stream_color(streams: StreamColors, region: Region, name: str, row: int) -> int:
    """The color of a `from_` or `to_` parameter in a row (row 0's where the row has no path)."""
    by_row = streams.get((region.name, name), {})
    if 0 not in by_row and row not in by_row:
        raise EmitError(
            f"the stream between @{region.name} and @{name.partition('_')[2]} has no path",
            help="run the pass route first",
        )
    return by_row[row] if row in by_row else by_row[0]
