"""Which colors need routers: those whose ways may change, carry control wavelets, or meet.

So do static colors that share a link with another one, where the wafer is small enough.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.builtins.registers import COLORS, ROUTES, SWITCHES
from waferc_runtime.builtins.walk import expressions_of, functions_of, statements, walk
from waferc_runtime.csl import core

MOST_ROUTED = 1 << 12  # colors times PEs up to which static colors that share links have routers
_DIRECTIONS = (core.EAST, core.WEST, core.NORTH, core.SOUTH)
_SEVERAL = np.array([mask.bit_count() > 1 for mask in range(32)])  # by mask


def dynamic_colors(elaborated: core.Elaborated) -> frozenset[int]:
    """Colors that cannot be treated as whole messages on static ways."""
    found = set(written_colors(elaborated))
    for color, routes in elaborated.routes.items():
        parts = (routes.switches, routes.filters, routes.teardown)
        if any(part is not None for part in parts) or _SEVERAL[routes.rx].any():
            found.add(color)
        if routes.swap is not None:
            found |= {color, color ^ 1}
    for program in elaborated.classes:
        for dsd in _fabric_dsds(program):
            if dsd.control or dsd.advance_switch or dsd.control_transform:
                found |= _colors_of(dsd, program)
    return frozenset(found - elaborated.host_inputs - elaborated.host_outputs)


def meeting_colors(elaborated: core.Elaborated, dynamic: frozenset[int]) -> frozenset[int]:
    """Static colors that share links; none if there are more than `MOST_ROUTED` nodes then."""
    users = np.zeros((4, elaborated.height, elaborated.width), np.int64)
    for routes in elaborated.routes.values():
        users += _links(routes)
    meeting = {
        color
        for color, routes in elaborated.routes.items()
        if color not in dynamic and (_links(routes) & (users > 1)).any()
    }
    nodes = len(dynamic | meeting) * elaborated.width * elaborated.height
    return frozenset(meeting) if nodes <= MOST_ROUTED else frozenset()


def _links(routes: core.Routes) -> NDArray[np.bool_]:
    """The links that a color uses, at some position of its switches: [E W N S, y, x]."""
    tx = routes.tx
    if routes.switches is not None:
        tx = tx | np.bitwise_or.reduce(routes.switches.tx, axis=0)
    return np.stack([(tx & direction) != 0 for direction in _DIRECTIONS])


def written_colors(elaborated: core.Elaborated) -> frozenset[int]:
    """Colors whose routes or switches the program may change while it runs."""
    found: set[int] = set()
    for program in elaborated.classes:
        for address in _addresses(program):
            found |= _written(address)
    return frozenset(found)


def _addresses(program: core.PEClass) -> Iterator[core.Expr]:
    """The addresses of registers that a class writes."""
    yield from (write.address for write in program.configs)
    for function in functions_of(program):
        for statement in statements(function.body):
            if isinstance(statement, core.SetConfig):
                yield statement.address


def _written(address: core.Expr) -> set[int]:
    if not isinstance(address, core.Const):
        return set(range(COLORS))
    banks = ((ROUTES, ROUTES + COLORS), (SWITCHES, SWITCHES + COLORS))
    numbers: list[int] = np.unique(np.asarray(address.value).astype(np.int64)).tolist()
    return {number - low for number in numbers for low, high in banks if low <= number < high}


def _fabric_dsds(program: core.PEClass) -> Iterator[core.MakeFabDsd]:
    roots = [slot.initial for slot in program.slots if slot.initial is not None]
    roots += [load.dsd for load in program.dsrs]
    for function in functions_of(program):
        for statement in statements(function.body):
            roots += expressions_of(statement)
    for root in roots:
        for part in walk(root):
            if isinstance(part, core.MakeFabDsd):
                yield part


def _colors_of(dsd: core.MakeFabDsd, program: core.PEClass) -> set[int]:
    """The colors that a fabric DSD may stand for; those of all queues if that is not known."""
    known = _numbers(dsd.color)
    if dsd.color is not None and known is not None:
        return known
    queues = _numbers(dsd.queue)
    tables = program.output_queues if dsd.type.kind == "fabout" else program.input_queues
    bound = [color for queue, color in tables.items() if queues is None or queue in queues]
    return {int(color) for colors in bound for color in np.unique(np.asarray(colors))}


def _numbers(node: core.Expr | None) -> set[int] | None:
    if not isinstance(node, core.Const):
        return None
    return {int(number) for number in np.unique(np.asarray(node.value))}
