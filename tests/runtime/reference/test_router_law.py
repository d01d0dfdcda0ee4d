"""Law: a line of switched and filtered routers does what a model does that takes word by word."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from waferc_ir.machine import WSE2
from waferc_runtime.csl.core import EAST, RAMP, WEST, FilterKind, Filters, PopMode, Routes, Switches
from waferc_runtime.reference.buffers import Wavelet
from waferc_runtime.reference.fabric import Fabric, FabricHooks
from waferc_runtime.reference.routers import Routers

COLOR = 3
TX = (EAST, RAMP, EAST | RAMP)
Word = tuple[bool, int]  # whether it is a control wavelet, its bits


@dataclass(frozen=True)
class Node:
    """What one router is set to."""

    tx: tuple[int, int, int, int]  # at positions 0 to 3; 0: as the one before
    valid: int
    position: int
    ring: bool
    pop: PopMode
    period: int  # of a counter filter that passes the first word; 0: none


NODE = st.builds(
    Node,
    st.tuples(st.sampled_from(TX), *[st.sampled_from((0, *TX))] * 3),
    st.sampled_from(range(0, 16, 2)),
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from(PopMode),
    st.integers(0, 3),
)
# opcodes without teardown, which would hold all that follows
COMMANDS = st.lists(st.tuples(st.sampled_from((0, 1, 2)), st.booleans()), min_size=8, max_size=8)
PLACES = [*range(22, 30), *range(16)]


def payload(commands: list[tuple[int, bool]]) -> int:
    bits = 31 << 16
    for place, (opcode, skips) in enumerate(commands):
        for offset in range(3):
            bits |= ((opcode | skips << 2) >> offset & 1) << PLACES[3 * place + offset]
    return bits


DATA = st.tuples(st.just(False), st.integers(0, 2**32 - 1))
CONTROL = st.tuples(st.just(True), st.builds(payload, COMMANDS))


def expected(nodes: list[Node], words: list[Word]) -> list[list[Word]]:
    """The words that reach each ramp."""
    got: list[list[Word]] = [[] for _ in nodes]
    position = [node.position for node in nodes]
    counter = [0 for _ in nodes]
    for is_control, bits in words:
        commands = [
            sum((bits >> PLACES[3 * slot + offset] & 1) << offset for offset in range(3))
            for slot in range(8)
        ]
        for place, node in enumerate(nodes):
            given_here = [mask for mask in node.tx[: position[place] + 1] if mask]
            tx = given_here[-1]
            if place == len(nodes) - 1:
                tx = RAMP
            first = commands[0]
            if tx & RAMP and not (is_control and first & 4):
                passes = not node.period or counter[place] == 0
                if node.period:
                    counter[place] = (counter[place] + 1) % node.period
                if passes:
                    now = sum(
                        (command >> offset & 1) << PLACES[3 * slot + offset]
                        for slot, command in enumerate(commands)
                        for offset in range(3)
                    )
                    got[place].append((is_control, now | 31 << 16 if is_control else bits))
            if is_control:
                before = position[place]
                if first & 3 == 1:
                    later = [k for k in range(before + 1, 4) if node.valid >> k & 1]
                    position[place] = later[0] if later else 0 if node.ring else before
                elif first & 3 == 2:
                    position[place] = 0
                has_moved = position[place] != before
                pops = {
                    PopMode.NO_POP: False,
                    PopMode.ALWAYS_POP: True,
                    PopMode.POP_ON_ADVANCE: has_moved,
                    PopMode.POP_ON_ADVANCE_NOP: has_moved or first & 3 == 0,
                }[node.pop]
                if pops:
                    commands = [*commands[1:], commands[-1] & 4]
            if not tx & EAST:
                break
    return got


def routes_of(nodes: list[Node]) -> Routes:
    def row(values: list[int], kind: type[np.generic]) -> np.ndarray[tuple[int, ...], np.dtype]:
        return np.asarray([values], kind)

    last = len(nodes) - 1
    tx = [RAMP if place == last else node.tx[0] for place, node in enumerate(nodes)]
    # the last router sends nowhere else, wherever its switch stands
    positions = [
        [0 if place == last else node.tx[k] for place, node in enumerate(nodes)] for k in (1, 2, 3)
    ]
    size = 1, len(nodes)
    none = np.zeros(size, np.int32)
    filtered = [FilterKind.COUNTER if node.period else FilterKind.NONE for node in nodes]
    return Routes(
        rx=row([RAMP] + [WEST] * last, np.uint8),
        tx=row(tx, np.uint8),
        switches=Switches(
            rx=np.zeros((3, *size), np.uint8),
            tx=np.asarray([[line] for line in positions], np.uint8),
            valid=row([node.valid for node in nodes], np.uint8),
            position=row([node.position for node in nodes], np.uint8),
            ring=row([node.ring for node in nodes], np.bool_),
            pop=row([node.pop for node in nodes], np.uint8),
        ),
        filters=Filters(
            kind=row(list(filtered), np.uint8),
            count_data=np.ones(size, np.bool_),
            count_control=np.ones(size, np.bool_),
            filter_control=np.zeros(size, np.bool_),
            init_counter=none,
            limit1=row([max(node.period - 1, 0) for node in nodes], np.int32),
            limit2=none - 1,
            max_counter=none,
            min_idx=none,
            max_idx=none,
        ),
    )


@given(
    st.lists(NODE, min_size=2, max_size=5),
    st.lists(st.one_of(DATA, CONTROL), max_size=12),
)
def test_a_line_of_routers_does_what_the_model_does(nodes: list[Node], words: list[Word]) -> None:
    agenda: set[tuple[int, int]] = set()
    now = 0

    def wake(pe: int, cycle: int) -> None:
        agenda.add((max(cycle, now), pe))

    routers = Routers(len(nodes), 1, {COLOR: routes_of(nodes)}, writes_registers=False)
    fabric = Fabric(routers, WSE2, FabricHooks(lambda pe, color: 100, wake))
    left = list(words)
    while left or agenda:
        if left and fabric.can_put(0, 2, now):
            is_control, bits = left.pop(0)
            fabric.put(0, 2, Wavelet(COLOR, bits, is_control), now)
        while agenda and min(agenda)[0] <= now:
            event = min(agenda)
            agenda.discard(event)
            fabric.step(event[1], now)
        now += 1
    found = [
        [(word.is_control, word.bits) for _, word in fabric.input(pe, COLOR).words]
        for pe in range(len(nodes))
    ]
    assert found == expected(nodes, words)
