"""Every route is connected, has one source and ends: by color, on whole grids at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import WaferError
from waferc_ir.machine import Machine
from waferc_runtime.check.problems import CheckError, Grid, count_note, first_pe, name_pe
from waferc_runtime.csl.core import EAST, NORTH, RAMP, SOUTH, WEST, Elaborated, Routes

_SIDES = (  # bit, name, step in x and y, bit of the neighbour's side that faces us
    (EAST, "east", 1, 0, WEST),
    (WEST, "west", -1, 0, EAST),
    (NORTH, "north", 0, -1, SOUTH),
    (SOUTH, "south", 0, 1, NORTH),
)


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Where the words of one color come from.

    `source` [y, x] is the flat index of the PE from whose ramp the color reaches this router; -1
    where no route comes by or where it begins nowhere.
    """

    source: NDArray[np.int64]
    tx: NDArray[np.uint8]


def check_routes(program: Elaborated, machine: Machine) -> list[WaferError]:
    """All faults of all colors, each with its first PE."""
    problems: list[WaferError] = []
    for color, routes in sorted(program.routes.items()):
        if (routes.rx | routes.tx).any() and color in machine.reserved_colors:
            problems.append(
                CheckError(
                    f"color {color} is configured, which host input and output use",
                    help=f"use a color below {min(machine.reserved_colors)}",
                )
            )
        for message, where, advice in _faults(color, routes):
            if where.any():
                x, y = first_pe(where)
                problems.append(
                    CheckError(
                        message.format(pe=name_pe(x, y)), notes=count_note(where), help=advice
                    )
                )
    return problems


def _faults(color: int, routes: Routes) -> Iterator[tuple[str, Grid, str | None]]:
    rx, tx = routes.rx, routes.tx
    half = ((rx == 0) != (tx == 0)).astype(np.bool_)
    yield f"color {color} is half a route on {{pe}}: it needs rx and tx", half, None
    several = _bit_count(rx) > 1
    yield (
        f"color {color} comes from more than one side into {{pe}}",
        several,
        "two streams that meet on a PE need two colors",
    )
    for bit, name, dx, dy, facing in _SIDES:
        has_neighbour = shifted(np.ones(rx.shape, np.bool_), dx, dy)
        accepts = shifted((rx & facing) != 0, dx, dy)
        sends = shifted((tx & facing) != 0, dx, dy)
        goes, comes = (tx & bit) != 0, (rx & bit) != 0
        yield (
            f"color {color} leaves {{pe}} to the {name}, out of the rectangle",
            goes & ~has_neighbour,
            None,
        )
        yield (
            f"color {color} leaves {{pe}} to the {name}, where the next PE does not accept it",
            goes & has_neighbour & ~accepts,
            f"the PE to the {name} needs this side in rx",
        )
        yield (
            f"color {color} is awaited from the {name} on {{pe}}, which does not send it",
            comes & ~sends,
            f"the PE to the {name} needs this side in tx",
        )
        yield (
            f"color {color} goes back to the {name}, where it comes from, on {{pe}}",
            goes & comes,
            None,
        )
    yield f"color {color} runs in a circle through {{pe}}", circles(routes), None


def shifted(grid: Grid, dx: int, dy: int) -> Grid:
    """At each PE the value of its neighbour (dx, dy) further; False beyond the edge."""
    result = np.zeros_like(grid)
    height, width = grid.shape
    result[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)] = grid[
        max(0, dy) : height - max(0, -dy), max(0, dx) : width - max(0, -dx)
    ]
    return result


def _bit_count(mask: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.unpackbits(mask[..., None], axis=-1).sum(axis=-1, dtype=np.int64)


def _predecessors(routes: Routes) -> NDArray[np.int64]:
    """By flat PE index: where the color comes from; the PE itself where it begins.

    The entry behind the last PE stands for "nowhere" and for itself.
    """
    height, width = routes.rx.shape
    nowhere = height * width
    ys, xs = np.indices((height, width))
    before = np.full((height, width), nowhere, np.int64)
    for bit, _, dx, dy, facing in _SIDES:
        sends = shifted((routes.tx & facing) != 0, dx, dy)
        chosen = ((routes.rx & bit) != 0) & sends
        before[chosen] = ((ys + dy) * width + xs + dx)[chosen]
    begins = (routes.rx & RAMP) != 0
    before[begins] = (ys * width + xs)[begins]
    return np.append(before.reshape(-1), nowhere)


def _doubled(before: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where following `before` more often than there are PEs leads."""
    for _ in range(len(before).bit_length()):
        before = before[before]
    return before


def circles(routes: Routes) -> Grid:
    """PEs whose words go round for ever, or that are fed by such."""
    before = _predecessors(routes)
    end = _doubled(before)
    rests = before[end] == end
    return ~rests[:-1].reshape(routes.rx.shape)


def trace_sources(routes: Routes) -> Sources:
    """For every PE, the PE from whose ramp the color comes."""
    before = _predecessors(routes)
    end = _doubled(before)
    begins = (before[end] == end) & (end < len(before) - 1)
    source = np.where(begins, end, -1)[:-1].reshape(routes.rx.shape)
    source[(routes.rx == 0) | (routes.tx == 0)] = -1
    return Sources(source, routes.tx)
