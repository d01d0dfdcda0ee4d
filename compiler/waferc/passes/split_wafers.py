"""A tiled program for several wafers to one program for each, joined by what the host hands over.

Regions lie on shelves, shelf under shelf, until a wafer is full. Where a stream would lead from one
wafer to the next its value becomes an output here and an input there, of one label.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from waferc.analysis.padding import Padding, tiled
from waferc.layouts.shelves import wafers as wafers_of
from waferc.passes.place import PlaceError
from waferc.unit import Unit
from waferc_ir.entries import common, entries, markers, own
from waferc_ir.ops import stream, tile_compute, tile_structure
from waferc_ir.program import Program, Statement, Value
from waferc_ir.rewrite import replace_operands


@dataclass(frozen=True, slots=True)
class Link:
    """A value that the host takes from wafer `source` to wafer `target` in calls of an entry."""

    entry: str
    label: str
    source: int
    target: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SplitUnit:
    """The programs of all wafers, in order, and what goes from one to another."""

    wafers: tuple[Unit, ...]
    links: tuple[Link, ...] = ()


def split_wafers(unit: Unit, most: int) -> SplitUnit:
    """A program for each wafer that a tiled program without places takes.

    Raises:
        PlaceError: it takes more than `most`.
    """
    program, machine = unit.program, unit.machine
    numbers = wafers_of([(region.width, region.height) for region in program.regions], machine)
    count = max(numbers) + 1
    if most == 1 or count == 1:
        return SplitUnit((unit,))
    if count > most:
        raise PlaceError(
            f"{len(program.regions)} regions need {count:,} wafers {machine.name}, and {most:,} are"
            " given",
            help=f"give {count:,} wafers, or ask for smaller regions or fewer stages",
        )
    home = {region.name: number for region, number in zip(program.regions, numbers, strict=True)}
    crossing = _crossing(program, home)
    padding = Padding.of(program)
    units = [
        unit.with_program(_part(program, wafer, home, crossing, padding)) for wafer in range(count)
    ]
    return SplitUnit(tuple(units), tuple(crossing.values()))


def _crossing(program: Program, home: Mapping[str, int]) -> dict[Value, Link]:
    """What goes from wafer to wafer, by the value on the second one."""
    found: dict[Value, Link] = {}
    taken = {
        s.op.label
        for s in program.statements
        if isinstance(s.op, tile_structure.Input | tile_structure.Output)
    }
    for entry in entries(program):
        for statement in own(program, entry):
            op, result = statement.op, statement.result
            if not isinstance(op, stream.Transfer):
                continue
            assert result is not None
            source, target = home[tiled(op.x).region], home[op.region]
            if source != target:
                label = _free(f"wafer{target}.{len(found)}", taken)
                given = tiled(result)
                size = math.prod(given.shape) * given.dtype.size_bytes
                found[result] = Link(entry.label, label, source, target, size)
    return found


def _free(label: str, taken: set[str]) -> str:
    while label in taken:
        label += "_"
    taken.add(label)
    return label


def _part(
    program: Program,
    wafer: int,
    home: Mapping[str, int],
    crossing: Mapping[Value, Link],
    padding: Padding,
) -> Program:
    """The program of one wafer."""
    here = {region for region, number in home.items() if number == wafer}
    # where there are no markers, all statements are those of the only entry
    statements: list[Statement] = list(_own(common(program), here, crossing, padding))
    for entry, marker in zip(entries(program), [*markers(program)] or [None], strict=True):
        if marker is not None:
            statements.append(program.statements[marker[0]])
        statements += _own(own(program, entry), here, crossing, padding)
    return Program(
        program.kind,
        f"{program.name}_wafer{wafer}",
        tuple(statements),
        tuple(region for region in program.regions if region.name in here),
        attributes=program.attributes,
    )


def _own(
    statements: Iterable[Statement],
    here: set[str],
    crossing: Mapping[Value, Link],
    padding: Padding,
) -> Iterator[Statement]:
    """Statements of a wafer's regions; what arrives first, as inputs, what leaves as outputs."""
    arrived: dict[Value, Value] = {}
    for statement in statements:
        op, result = statement.op, statement.result
        link = None if result is None else crossing.get(result)
        if link is None or result is None:
            if _region(statement) in here:
                yield replace_operands(statement, arrived)
            continue
        assert isinstance(op, stream.Transfer)
        given = tiled(result)
        if given.region in here:
            entering = tile_structure.Input(
                link.label, given.shape, given.dtype, given.region, given.layout
            )
            yield Statement(entering, result, statement.at)
            filled = padding.known.get(result, 0.0)
            if filled != 0.0:  # the host writes zeros there
                masked = Value(given)
                yield Statement(tile_compute.MaskPadding(result, filled), masked, statement.at)
                arrived[result] = masked
        elif tiled(op.x).region in here:
            leaving = tile_structure.Output(arrived.get(op.x, op.x), link.label)
            yield Statement(leaving, None, statement.at)


def _region(statement: Statement) -> str:
    """The region that a statement is of."""
    if statement.result is not None:
        return tiled(statement.result).region
    op = statement.op
    assert isinstance(op, tile_structure.Output | tile_structure.Store)
    return tiled(op.x).region
