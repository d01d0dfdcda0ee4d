"""Rules of what a tiled program says about the wafer: regions, paths of streams, buffers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise

from waferc_ir.diagnostics import counted
from waferc_ir.dtypes import DType
from waferc_ir.machine import MACHINES
from waferc_ir.ops.declare import VerifyError
from waferc_ir.ops.stream import Transfer
from waferc_ir.program import Program, Value
from waferc_ir.types import AXES, Buffer, Path, Region, TiledType

COLORS = max(machine.colors for machine in MACHINES.values())
COLLECTIVE_COLORS = 6
GROUP_COLORS = 10
STREAM_COLORS = 2


def wafer_problems(program: Program, numbers: Mapping[Value, int]) -> Iterator[VerifyError]:
    """Everything that is wrong with the regions, paths and buffers of a program."""
    if program.kind == "graph":
        if program.regions or program.paths or program.buffers:
            yield VerifyError("a graph program has regions, paths or buffers")
        return
    yield from _repeated("region", [region.name for region in program.regions])
    yield from _repeated("buffer", [buffer.name for buffer in program.buffers])
    for region in program.regions:
        yield from _region(region)
    for first, second in combinations(program.regions, 2):
        yield from _overlap(first, second)
    yield from _streams(program)
    owners: dict[int, str] = {}
    by_number = {number: value for value, number in numbers.items()}
    for buffer in program.buffers:
        yield from _buffer(program, buffer, by_number, owners)


def _repeated(what: str, names: list[str]) -> Iterator[VerifyError]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield VerifyError(f"{names.count(name)} {what}s are called @{name}")


def _region(region: Region) -> Iterator[VerifyError]:
    name = f"region @{region.name}"
    if region.width < 1 or region.height < 1:
        yield VerifyError(f"{name} has {region.width} x {region.height} PEs")
    if (region.x is None) != (region.y is None):
        yield VerifyError(f"{name} is placed in one direction only")
    if min(region.x or 0, region.y or 0) < 0:
        yield VerifyError(f"{name} has its corner at ({region.x}, {region.y}), off the wafer")
    yield from _lines(region)
    grouped = len(region.lines) == 4 and any(region.lines[1::2])
    for what, colors, count in (
        ("colors", region.colors, GROUP_COLORS if grouped else COLLECTIVE_COLORS),
        ("stream colors", region.stream_colors, STREAM_COLORS),
    ):
        if len(colors) not in (0, count):
            yield VerifyError(f"{name} has {len(colors)} {what}, not {count}")
        if len(set(colors)) < len(colors):
            yield VerifyError(f"{name} has one of its {what} twice: {list(colors)}")
        for color in colors:
            yield from _color(name, color)


def _lines(region: Region) -> Iterator[VerifyError]:
    name, lines = f"region @{region.name}", region.lines
    if len(lines) not in (0, 4):
        yield VerifyError(f"{name} has {len(lines)} numbers for its lines, not 4")
        return
    for axis in AXES if lines else ():
        line = region.line(axis)
        if not 0 <= line.root < line.pes:
            yield VerifyError(f"{name} has {line.pes} PEs along {axis}, and PE {line.root} as root")
        if line.group < 0:
            yield VerifyError(f"{name} has groups of {line.group} PEs along {axis}")


def _color(name: str, color: int) -> Iterator[VerifyError]:
    if not 0 <= color < COLORS:
        yield VerifyError(f"{name} has color {color}; colors are 0 to {COLORS - 1}")


def _overlap(first: Region, second: Region) -> Iterator[VerifyError]:
    if first.x is None or first.y is None or second.x is None or second.y is None:
        return
    width = min(first.x + first.width, second.x + second.width) - max(first.x, second.x)
    height = min(first.y + first.height, second.y + second.height) - max(first.y, second.y)
    if width > 0 and height > 0:
        yield VerifyError(
            f"regions @{first.name} and @{second.name} share {counted(width * height, 'PE')}",
            notes=[
                f"from ({max(first.x, second.x)}, {max(first.y, second.y)}), {width} x {height}"
            ],
        )


def _streams(program: Program) -> Iterator[VerifyError]:
    """Paths belong to sending rows of streams; a stream has none of its paths or all."""
    transfers = [s.op for s in program.statements if isinstance(s.op, Transfer)]
    regions = {region.name: region for region in program.regions}
    rows: dict[int, list[int]] = {number: [] for number in range(len(transfers))}
    for path in program.paths:
        name = f"path of stream {path.stream}, row {path.row}"
        yield from _color(name, path.color)
        yield from _corners(name, path)
        if path.stream not in rows:
            yield VerifyError(f"{name}: the program has {counted(len(transfers), 'stream')}")
            continue
        rows[path.stream].append(path.row)
        transfer = transfers[path.stream]
        source = transfer.x.type
        if (
            isinstance(source, TiledType)
            and source.region in regions
            and transfer.region in regions
        ):
            ends = regions[source.region], regions[transfer.region]
            yield from _ends(name, path, *ends, split=source.layout.split_of("y") is not None)
    for number, found in rows.items():
        source = transfers[number].x.type
        if not found or not isinstance(source, TiledType) or source.region not in regions:
            continue
        split = source.layout.split_of("y") is not None
        height = regions[source.region].height if split else 1
        if sorted(found) != list(range(height)):
            yield VerifyError(
                f"stream {number} has paths for rows {sorted(found)}, and"
                f" {counted(height, 'row')} must send"
            )


def _corners(name: str, path: Path) -> Iterator[VerifyError]:
    if len(path.corners) < 2:
        yield VerifyError(f"{name} has {counted(len(path.corners), 'corner')}; it takes at least 2")
    for x, y in path.corners:
        if x < 0 or y < 0:
            yield VerifyError(f"{name} has a corner at ({x}, {y}), off the wafer")
    for (x, y), (next_x, next_y) in pairwise(path.corners):
        if (x == next_x) == (y == next_y):
            yield VerifyError(
                f"{name} goes from ({x}, {y}) to ({next_x}, {next_y}), along no row or column"
            )


def _ends(
    name: str, path: Path, source: Region, target: Region, *, split: bool
) -> Iterator[VerifyError]:
    """A path leads from the source's easternmost to the target's westernmost PE of its row."""
    if source.x is None or source.y is None or target.x is None or target.y is None:
        yield VerifyError(f"{name}: @{source.name} or @{target.name} is not placed")
        return
    row = path.row if split else 0
    sender = (source.x + source.width - 1, source.y + row)
    receiver = (target.x, target.y + row)
    for what, corner, pe in (
        ("starts", path.corners[:1], sender),
        ("ends", path.corners[-1:], receiver),
    ):
        if corner and corner[0] != pe:
            yield VerifyError(f"{name} {what} at {corner[0]}, not at PE {pe}")


def _buffer(
    program: Program, buffer: Buffer, by_number: Mapping[int, Value], owners: dict[int, str]
) -> Iterator[VerifyError]:
    name = f"buffer @{buffer.name}"
    if buffer.region not in {region.name for region in program.regions}:
        yield VerifyError(f"{name}: no region is called @{buffer.region}")
    if buffer.elements < 1:
        yield VerifyError(f"{name} has {buffer.elements} elements")
    for number in buffer.values:
        if number in owners:
            yield VerifyError(f"%{number} is in buffers @{owners[number]} and @{buffer.name}")
        owners[number] = buffer.name
        type = by_number[number].type if number in by_number else None
        if not isinstance(type, TiledType):
            yield VerifyError(f"{name}: %{number} is no value of the program")
            continue
        if type.region != buffer.region:
            yield VerifyError(f"{name} is in @{buffer.region} and %{number} in @{type.region}")
        # bool tiles hold 0 and 1 in any element type
        if type.dtype is not buffer.dtype and type.dtype is not DType.BOOL:
            yield VerifyError(f"{name} has {buffer.dtype} elements and %{number} has {type.dtype}")
        if len(type.shape) == len(type.layout.splits) and type.local_elements > buffer.elements:
            yield VerifyError(
                f"{name} has {counted(buffer.elements, 'element')} and the tile of %{number} has"
                f" {type.local_elements:,}"
            )
