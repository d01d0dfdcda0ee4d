"""The entries of a program: what the host calls, over the same weights and states.

A marker (`graph.entry`, `tile.entry`) begins each; what stands before the first is common to all.
A program without markers is one entry, `main`, and nothing is common.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from waferc_ir.chosen import chosen
from waferc_ir.ops import graph_structure, tile_structure
from waferc_ir.ops.declare import Op
from waferc_ir.program import Program, Statement

MAIN = "main"

Marker = graph_structure.Entry | tile_structure.Entry


@dataclass(frozen=True, slots=True)
class Entry:
    """Statements `start` to `stop` (excluded) of a program, behind the marker if there is one.

    `calls` is how often it is expected to be called, beside the others.
    """

    label: str
    start: int
    stop: int
    calls: int = 1


def is_marker(op: Op) -> bool:
    """Whether an operation begins an entry."""
    return isinstance(op, Marker)


def markers(program: Program) -> Iterator[tuple[int, Marker]]:
    """Statement number and operation of each marker."""
    for number, statement in enumerate(program.statements):
        if isinstance(statement.op, Marker):
            yield number, statement.op


def entries(program: Program) -> tuple[Entry, ...]:
    """The entries of a program, in order; one at least."""
    found = list(markers(program))
    end = len(program.statements)
    if not found:
        return (Entry(MAIN, 0, end),)
    stops = [*(number for number, _ in found[1:]), end]
    return tuple(
        Entry(marker.label, number + 1, stop, marker.calls)
        for (number, marker), stop in zip(found, stops, strict=True)
    )


def entry_named(program: Program, label: str | None) -> Entry:
    """The entry called `label`; None stands for the only one. Raises EntryError."""
    return chosen(entries(program), label, f"program @{program.name}")


def common(program: Program) -> tuple[Statement, ...]:
    """What stands before the first marker; nothing where there is none."""
    first = next(markers(program), None)
    return () if first is None else program.statements[: first[0]]


def own(program: Program, entry: Entry) -> tuple[Statement, ...]:
    """The statements of an entry alone."""
    return program.statements[entry.start : entry.stop]


def single(program: Program, entry: Entry) -> Program:
    """The program of one entry: what is common and its own statements, without a marker.

    Regions stay; paths and buffers, which count statements and values, go.
    """
    return Program(
        program.kind,
        program.name,
        (*common(program), *own(program, entry)),
        program.regions,
        attributes=program.attributes,
    )
