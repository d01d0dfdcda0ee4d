"""Which colors need routers: those whose ways may change, carry control wavelets, or meet.

So do static colors that share links with others, or ramps of PEs whose operations go on side by
side, where the wafer is small enough.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.builtins.registers import COLORS, ROUTES, SWITCHES
from waferc_runtime.builtins.walk import expressions_of, functions_of, statements, walk
from waferc_runtime.csl import core

# Nodes (colors times PEs) up to which colors take turns on links and ramps: there words go one by
# one in the order of time, as exactly as on the reference engine, and as slowly.
MOST_IN_TURN = 1 << 7
_DIRECTIONS = (core.EAST, core.WEST, core.NORTH, core.SOUTH, core.RAMP)
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
    """Static colors that share ways on which words take turns, if these have routers.

    Ramps of PEs that do one operation after the other are left out: nearly all programs would have
    routers for the few cycles that two colors wait which come to such a PE at once.
    """
    ways = {color: _ways(routes) for color, routes in elaborated.routes.items()}
    users = np.zeros((6, elaborated.height, elaborated.width), np.int64)
    for used in ways.values():
        users += used
    is_shared = users > 1
    is_shared[4:] &= _has_microthreads(elaborated)
    meeting = {
        color for color, used in ways.items() if color not in dynamic and (used & is_shared).any()
    }
    nodes = len(dynamic | meeting) * users[0].size
    return frozenset(meeting) if takes_turns(nodes) else frozenset()


def takes_turns(nodes: int) -> bool:
    """Whether words of so many nodes take turns on the ways that colors share."""
    return nodes <= MOST_IN_TURN


def _ways(routes: core.Routes) -> NDArray[np.bool_]:
    """The ways that a color takes, at some position of its switches.

    Out of routers, and from PEs into them: [E W N S to-PE from-PE, y, x].
    """
    rx, tx = routes.rx, routes.tx
    if routes.switches is not None:
        rx = rx | np.bitwise_or.reduce(routes.switches.rx, axis=0)
        tx = tx | np.bitwise_or.reduce(routes.switches.tx, axis=0)
    leaves = [(tx & direction) != 0 for direction in _DIRECTIONS]
    return np.stack([*leaves, (rx & core.RAMP) != 0])


def _has_microthreads(elaborated: core.Elaborated) -> NDArray[np.bool_]:
    """PEs that may do several operations at once: [y, x]."""
    found = np.zeros((elaborated.height, elaborated.width), np.bool_)
    for program in elaborated.classes:
        found[program.y, program.x] = any(
            isinstance(statement, core.DsdOperation) and statement.config.is_async
            for function in functions_of(program)
            for statement in statements(function.body)
        )
    return found


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
