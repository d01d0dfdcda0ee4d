"""Color configurations of a layout: passing received tiles on, and the paths of streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from waferc_ir.types import Axis, Path, Region

_OPPOSITE = {"EAST": "WEST", "WEST": "EAST", "NORTH": "SOUTH", "SOUTH": "NORTH"}


def range_text(span: range) -> str:
    """A range of u16 in the shortest form."""
    if span.start == 0 and span.step == 1:
        return f"@range(u16, {span.stop})"
    return f"@range(u16, {span.start}, {span.stop}, {span.step})"


@dataclass(frozen=True, slots=True)
class Run:
    """PEs of a grid of columns and rows that route a color alike: from `rx` to `tx`.

    `color` may depend on `x` and `y`. With `when` only PEs where it holds are meant.
    """

    columns: range
    rows: range
    color: str
    rx: str
    tx: str
    when: str = ""

    @property
    def loops_columns(self) -> bool:
        """Whether there is a loop over columns; conditions need its variable."""
        return len(self.columns) > 1 or bool(self.when)

    @property
    def loops_rows(self) -> bool:
        """Whether there is a loop over rows."""
        return len(self.rows) > 1 or bool(self.when)

    @property
    def x(self) -> str:
        """The column in `@set_color_config`: a loop variable or a number."""
        return "x" if self.loops_columns else str(self.columns.start)

    @property
    def y(self) -> str:
        """The row in `@set_color_config`: a loop variable or a number."""
        return "y" if self.loops_rows else str(self.rows.start)

    @property
    def column_range(self) -> str:
        """The range of the loop over columns."""
        return range_text(self.columns)

    @property
    def row_range(self) -> str:
        """The range of the loop over rows."""
        return range_text(self.rows)

    @property
    def row_indent(self) -> str:
        """White space before the loop over rows."""
        return "  " * (1 + self.loops_columns)

    @property
    def indent(self) -> str:
        """White space before the call inside its loops."""
        return "  " * (1 + self.loops_columns + self.loops_rows)


@dataclass(frozen=True, slots=True)
class RouteGroup:
    """Runs that belong together, with what they are for."""

    comment: str
    runs: tuple[Run, ...]


def pass_routes(region: Region, axis: Axis, name: str) -> RouteGroup:
    """Multicast from the first PE on: along x in every row, along y in column 0 only."""
    ahead, back = ("EAST", "WEST") if axis == "x" else ("SOUTH", "NORTH")
    last = region.extent(axis) - 1
    spans = [
        (range(0, 1), "RAMP", ahead),
        (range(1, last), back, f"RAMP, {ahead}"),
        (range(last, last + 1), back, "RAMP"),
    ]
    narrow = axis == "y"
    runs = [
        across(region, axis, span, name, rx, tx, narrow=narrow) for span, rx, tx in spans if span
    ]
    return RouteGroup(f"{region.name}: received tiles are passed on along {axis}", tuple(runs))


def across(
    region: Region,
    axis: Axis,
    span: range,
    color: str,
    rx: str,
    tx: str,
    *,
    when: str = "",
    narrow: bool = False,
) -> Run:
    """PEs `span` of every line along `axis` (of the first line if `narrow`)."""
    assert region.x is not None
    assert region.y is not None
    moved = range(span.start, span[-1] + 1, span.step)
    if axis == "x":
        columns = range(region.x + moved.start, region.x + moved.stop, moved.step)
        return Run(columns, range(region.y, region.y + region.height), color, rx, tx, when)
    rows = range(region.y + moved.start, region.y + moved.stop, moved.step)
    width = 1 if narrow else region.width
    return Run(range(region.x, region.x + width), rows, color, rx, tx, when)


def stream_routes(paths: Iterable[Path]) -> Iterator[RouteGroup]:
    """The routes of all paths; equal routes once, rows that run in parallel as one loop."""
    seen: set[tuple[int, tuple[tuple[int, int], ...]]] = set()
    bundles: list[list[Path]] = []
    for path in paths:
        key = (path.color, path.corners)
        if key in seen:
            continue
        seen.add(key)
        if bundles and _is_next_row(bundles[-1][-1], path):
            bundles[-1].append(path)
        else:
            bundles.append([path])
    for bundle in bundles:
        first = bundle[0]
        (x0, y0), (x1, y1) = first.corners[0], first.corners[-1]
        what = f"rows {first.row} to {bundle[-1].row}" if len(bundle) > 1 else f"row {first.row}"
        comment = f"stream {first.stream}, {what}: from PE ({x0}, {y0}) to PE ({x1}, {y1})"
        yield RouteGroup(comment, tuple(_path_runs(first, len(bundle))))


def _is_next_row(before: Path, path: Path) -> bool:
    """Whether a path is the one before moved one row southward, with horizontal parts only.

    Vertical parts of neighbouring rows would overlap in one loop.
    """
    moved = tuple((x, y + 1) for x, y in before.corners)
    straight = len({y for _, y in path.corners}) == 1
    return straight and path.color == before.color and path.corners == moved


def _path_runs(path: Path, height: int) -> Iterator[Run]:
    color = f"@get_color({path.color})"
    corners = path.corners
    rx = "RAMP"
    for index, (start, end) in enumerate(pairwise(corners)):
        direction = _direction(start, end)
        yield _run((start[0], start[0] + 1), (start[1], start[1] + height), color, rx, direction)
        back = _OPPOSITE[direction]
        (low_x, high_x), (low_y, high_y) = sorted((start[0], end[0])), sorted((start[1], end[1]))
        if high_x - low_x > 1:
            yield _run((low_x + 1, high_x), (start[1], start[1] + height), color, back, direction)
        if high_y - low_y > 1:
            yield _run((start[0], start[0] + 1), (low_y + 1, high_y), color, back, direction)
        rx = back
        if index == len(corners) - 2:
            yield _run((end[0], end[0] + 1), (end[1], end[1] + height), color, back, "RAMP")


def _run(columns: tuple[int, int], rows: tuple[int, int], color: str, rx: str, tx: str) -> Run:
    return Run(range(*columns), range(*rows), color, rx, tx)


def _direction(start: tuple[int, int], end: tuple[int, int]) -> str:
    if start[1] == end[1]:
        return "EAST" if end[0] > start[0] else "WEST"
    return "SOUTH" if end[1] > start[1] else "NORTH"
