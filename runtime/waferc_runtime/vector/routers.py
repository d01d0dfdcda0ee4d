"""Routers of dynamic colors: words move from buffer to buffer, many routers in one step.

A router that accepts one direction takes words in the order in which they come from there: what
it does is a function of the words alone, whatever the order in which the engine gets to it. The
rule for cycles is `max(ready, last + 1, room)`, with the buffers of the reference engine: one per
router, color and input, and output and input queues. A router that accepts several directions
takes the earliest word of all, and where several colors go over one link or ramp their words take
it in turns (`turns.Turns`): such words have to wait until no earlier one can come, see `move_late`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.builtins import control_wavelet
from waferc_runtime.csl.core import SWAP_X, SWAP_Y, Routes
from waferc_runtime.vector.crossings import Crossings
from waferc_runtime.vector.dynamic import takes_turns
from waferc_runtime.vector.inbox import Inbox
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.router_buffers import CONTROL, FLIP, Buffers, Kinds, Words
from waferc_runtime.vector.router_config import RouterConfig
from waferc_runtime.vector.router_filter import RouterFilters
from waferc_runtime.vector.routes import RouteFault
from waferc_runtime.vector.state import NEVER
from waferc_runtime.vector.turns import ONRAMP, Turns

Times = NDArray[np.int64]

# Inputs and outputs of a router by bit of the masks: E, W, N, S, ramp.
_RAMP = 4
_STEPS = ((1, 0), (-1, 0), (0, -1), (0, 1))
_OPPOSITE = np.array([1, 0, 3, 2], np.intp)
_BITS = (np.arange(32)[:, np.newaxis] >> np.arange(5) & 1).astype(np.bool_)  # [mask, direction]
_ONLY = np.array([int(row.argmax()) if row.sum() == 1 else -1 for row in _BITS], np.intp)
_AXIS = np.array([SWAP_X, SWAP_X, SWAP_Y, SWAP_Y, SWAP_X | SWAP_Y], np.uint8)
_NAMES = ("east", "west", "north", "south")


@dataclass(slots=True)
class Changes:
    """What happened since it was last asked for."""

    arrived: list[tuple[int, Indices]] = field(default_factory=lambda: [])  # color, PEs: words came
    freed: list[tuple[int, Indices]] = field(default_factory=lambda: [])  # output queues have room
    torn: list[tuple[int, Indices, Times]] = field(default_factory=lambda: [])  # color, PEs, when


@dataclass(frozen=True, slots=True, eq=False)
class _Moves:
    """Words that may go through routers: node, buffer, bits, kind, first possible cycle."""

    node: Indices
    buffer: Indices
    words: NDArray[np.uint32]
    kind: NDArray[np.uint8]
    time: Times

    def __len__(self) -> int:
        return len(self.node)

    def at(self, chosen: NDArray[np.bool_] | Indices) -> _Moves:
        return _Moves(
            self.node[chosen],
            self.buffer[chosen],
            self.words[chosen],
            self.kind[chosen],
            self.time[chosen],
        )


class Routers:
    """All routers of the rectangle on the dynamic `colors`. PEs are numbered row by row.

    `depths(color)` gives the depth of each PE's input queue for a color: [pe].
    """

    def __init__(
        self,
        colors: Sequence[int],
        routes: Mapping[int, Routes],
        width: int,
        height: int,
        machine: Machine,
        depths: Mapping[int, NDArray[np.int64]],
        written: frozenset[int],
    ) -> None:
        pes = width * height
        self.pes = pes
        self.shape = height, width
        self.colors = tuple(colors)
        self.config = RouterConfig(colors, routes, pes)
        self.filters = RouterFilters(self.config.slots, routes, pes)
        nodes = len(colors) * pes
        self._machine = machine
        self._inputs = Buffers(nodes * 5, machine.router_buffer_wavelets)
        self.outputs = Buffers(nodes, max(machine.output_queue_depths))
        self._last_on = np.full(nodes, -1, np.int64)  # when a word last went onto the ramp
        receives = self.config.may_receive
        for color in written:
            slot = self.config.slots[color]
            receives[slot * pes : (slot + 1) * pes] = True
            self.config.may_change[slot * pes : (slot + 1) * pes] = True
        depth = np.concatenate([depths[color] for color in colors])
        self.inbox = Inbox(np.flatnonzero(receives), nodes, depth, has_control=True)
        self.load = np.zeros((4, nodes), np.int64)  # words that left each node: E, W, N, S
        self.sent = np.zeros(nodes, np.int64)  # words that each PE sent
        self.changes = Changes()
        self._look: list[Indices] = []  # routers in which something may move
        self._look_out: list[Indices] = []  # output queues likewise
        self.crossings: Crossings | None = None  # told of words that leave routers
        self.turns = Turns(self.config, takes_turns(nodes))
        # a word is with its PE `ramp_cycles` later, room in an output queue is used after two
        self.reaction_cycles = min(machine.ramp_cycles, 2)
        self._late = np.zeros(nodes, np.bool_)  # nodes that may hold words that have to wait
        self._late_out = np.zeros(nodes, np.bool_)  # output queues likewise
        x, y = np.arange(pes) % width, np.arange(pes) // width
        self._edge = np.stack([x == width - 1, x == 0, y == 0, y == height - 1])  # [direction, pe]
        self._offset = np.array([dx + dy * width for dx, dy in _STEPS], np.intp)
        partner = [
            self.config.slots.get(color ^ 1, slot) for color, slot in self.config.slots.items()
        ]
        self._partner = np.asarray(partner, np.intp)
        self._swaps = any(route.swap is not None for route in routes.values()) or bool(written)

    def neighbours(self, pe: int, mask: int) -> list[int]:
        """The PEs next to `pe` in the directions of a mask."""
        links = _BITS[mask & 15, :4] & ~self._edge[:, pe]
        return [pe + int(offset) for offset in self._offset[links]]

    # ---- what wakes a router ---------------------------------------------------------------------

    def look_at(self, nodes: Indices) -> None:
        """Something has changed for these routers: room, or their settings."""
        self._look.append(nodes)

    def sends(self, nodes: Indices) -> None:
        """Words were put into the output queues of these nodes."""
        self._look_out.append(nodes)

    @property
    def is_awake(self) -> bool:
        """Whether something may move."""
        return bool(self._look or self._look_out)

    def take_changes(self) -> Changes:
        """What happened since the last call."""
        changes, self.changes = self.changes, Changes()
        return changes

    def run(self) -> None:
        """Move all words that can move, as far as their order is sure.

        Raises:
            RouteFault: a word is led out of the rectangle.
        """
        while self._look or self._look_out:
            if self._look_out:
                nodes, self._look_out = _unique(self._look_out), []
                self._leave_outputs(nodes)
            if self._look:
                nodes, self._look = _unique(self._look), []
                self._pass(nodes)

    def earliest_late(self) -> int:
        """The first cycle at which a word moves that has to wait until no earlier one can come.

        NEVER if there is none.
        """
        cycles = [
            int(found[-1].min())
            for found in (self._late_outs(), self._late_moves())
            if len(found[-1])
        ]
        return min(cycles, default=NEVER)

    def move_late(self, before: int) -> None:
        """Move words that had to wait and go before a cycle, in the order of time.

        Raises:
            RouteFault: words come from two accepted directions in one cycle.
        """
        while True:
            outs, (moves, ways, time) = self._late_outs(), self._late_moves()
            now = int(min(outs[-1].min(initial=NEVER), time.min(initial=NEVER)))
            if now >= before:
                return
            if len(outs[-1]):
                self._take_onramps(*outs, now)
            if len(time):
                self._take_exits(moves, ways, time, now)
            self.run()

    def _take_onramps(self, nodes: Indices, target: Indices, time: Times, now: int) -> None:
        nodes, target = nodes[time == now], target[time == now]
        ways = np.zeros((len(nodes), ONRAMP + 1), np.bool_)
        ways[:, ONRAMP] = True
        served = self.outputs.served(nodes)
        granted = self.turns.granted(nodes, ways, served, np.zeros(len(nodes), np.intp))
        nodes, target = nodes[granted], target[granted]
        self.turns.take(nodes, ways[granted], now)
        self._onto_ramps(nodes, target, np.full(len(nodes), now, np.int64))

    def _take_exits(self, moves: _Moves, ways: NDArray[np.bool_], time: Times, now: int) -> None:
        here = time == now
        moves, ways = moves.at(here), ways[here]
        served = self._inputs.served(moves.buffer)
        granted = self.turns.granted(moves.node, ways, served, moves.buffer % 5)
        moves = moves.at(granted)
        self.turns.take(moves.node, ways[granted], now)
        self._carry(moves, np.full(len(moves), now, np.int64))

    # ---- from output queues onto ramps -----------------------------------------------------------

    def _leave_outputs(self, nodes: Indices) -> None:
        late = self.turns.shares_onramp[nodes]
        if late.any():
            self._late_out[nodes[late]] = True
            nodes = nodes[~late]
        nodes, target, time = self._outs(nodes)
        if len(nodes):
            self._onto_ramps(nodes, target, time)

    def _late_outs(self) -> tuple[Indices, Indices, Times]:
        """Output queues on shared ramps whose next word has room, as from `_outs`."""
        nodes = np.flatnonzero(self._late_out)
        if not len(nodes):
            return nodes, nodes, nodes
        self._late_out[nodes[self.outputs.held(nodes) == 0]] = False
        nodes, target, time = self._outs(nodes)
        ways = np.zeros((len(nodes), ONRAMP + 1), np.bool_)
        ways[:, ONRAMP] = True
        return nodes, target, np.maximum(time, self.turns.free_from(nodes, ways))

    def _outs(self, nodes: Indices) -> tuple[Indices, Indices, Times]:
        """Those nodes whose output queue has a word that has room: buffers it goes to, and when."""
        nodes = nodes[self.outputs.held(nodes) > 0]
        target = self._received_as(nodes, np.full(len(nodes), _RAMP, np.intp)) * 5 + _RAMP
        has_room = self._inputs.held(target) < self._inputs.rows
        nodes, target = nodes[has_room], target[has_room]
        ready = self.outputs.head(nodes)[2]
        time = np.maximum(
            np.maximum(ready, self._last_on[nodes] + 1), self._inputs.free_since(target)
        )
        return nodes, target, time

    def _onto_ramps(self, nodes: Indices, target: Indices, time: Times) -> None:
        words, kind, _ = self.outputs.head(nodes)
        self.outputs.pop(nodes, time)
        self._last_on[nodes] = time
        self._check_accepted(target)
        self._inputs.push(target, words, kind, time + self._machine.ramp_cycles)
        self._look_out.append(nodes)
        self._look.append(target // 5)
        self._note(self.changes.freed, nodes)

    # ---- through routers -------------------------------------------------------------------------

    def _pass(self, nodes: Indices) -> None:
        config = self.config
        rx = config.rx[nodes]
        open_nodes = (rx != 0) & (config.tx[nodes] != 0) & ~config.is_torn_down[nodes]
        nodes, rx = nodes[open_nodes], rx[open_nodes]
        way = _ONLY[rx]
        late = (way < 0) | self.turns.shares_exit[nodes]
        if late.any():
            self._late[nodes[late]] = True
            nodes, way = nodes[~late], way[~late]
        buffer = nodes * 5 + way
        has_word = self._inputs.held(buffer) > 0
        if has_word.any():
            self._go(self._heads(nodes[has_word], buffer[has_word]))

    def _heads(self, nodes: Indices, buffer: Indices) -> _Moves:
        words, kind, ready = self._inputs.head(buffer)
        after = np.maximum(self.config.last_move[nodes] + 1, self.config.since[nodes])
        return _Moves(nodes, buffer, words, kind, np.maximum(ready, after))

    def _late_moves(self) -> tuple[_Moves, NDArray[np.bool_], Times]:
        """The next word, if it has room, at each router where words have to wait.

        With the ways that it goes [word, way] and when it could go: [word].
        """
        every = np.flatnonzero(self._late)
        is_open = ~self.config.is_torn_down[every] & (self.config.tx[every] != 0)
        which, way = _BITS[self.config.rx[every]].nonzero()
        buffer = every[which] * 5 + way
        has_word = (self._inputs.held(buffer) > 0) & is_open[which]
        self._late[every] = False
        self._late[every[which[has_word]]] = True
        moves = self._heads(every[which[has_word]], buffer[has_word])
        arrival = self._inputs.head(moves.buffer)[2]
        order = np.lexsort((arrival, moves.node))
        moves, arrival = moves.at(order), arrival[order]
        is_first = np.append(True, moves.node[1:] != moves.node[:-1])[: len(moves)]
        same = ~is_first & np.append(False, arrival[1:] == arrival[:-1])[: len(moves)]
        if same.any():
            node, cycle = int(moves.node[same][0]), int(arrival[same][0])
            raise RouteFault(
                f"it meets another from another direction in cycle {cycle:,}",
                self.colors[node // self.pes],
                node % self.pes,
                node % self.pes,
            )
        moves = moves.at(is_first)
        able, since, ways = self._able(moves)
        moves, since, ways = moves.at(able), since[able], ways[able]
        free = self.turns.free_from(moves.node, ways)
        return moves, ways, np.maximum(np.maximum(moves.time, since), free)

    def _able(self, moves: _Moves) -> tuple[NDArray[np.bool_], Times, NDArray[np.bool_]]:
        """Which words have room in all their directions, since when [word], ways [word, way]."""
        able = np.ones(len(moves.node), np.bool_)
        since = np.zeros(len(moves.node), np.int64)
        ways = _BITS[self.config.tx[moves.node]]  # a copy
        which, way = ways.nonzero()
        links = way != _RAMP
        if links.any():
            place = which[links]
            target = self._target(moves.node[place], way[links])
            full = self._inputs.held(target) >= self._inputs.rows
            able[place[full]] = False
            np.maximum.at(since, place, self._inputs.free_since(target))
        inside = which[~links]
        if len(inside):
            inside = inside[self._reaches(moves.at(inside))]
            if self.filters.is_any:
                inside = inside[~self._rejected(moves.at(inside))]
            ways[:, _RAMP] = False
            ways[inside, _RAMP] = True
            has_room, room = self.inbox.room(self.inbox.columns(moves.node[inside]))
            able[inside[~has_room]] = False
            since[inside] = np.maximum(since[inside], room)
        return able, since, ways

    def _reaches(self, moves: _Moves) -> NDArray[np.bool_]:
        """Which of these words, routed to the ramp, no command keeps from it."""
        is_control = (moves.kind & CONTROL) != 0
        return ~(is_control & (control_wavelet.skips_ramp(moves.words) != 0))

    def _rejected(self, moves: _Moves) -> NDArray[np.bool_]:
        """Which of these words a filter keeps from the compute element."""
        return self.filters.rejects(moves.node, moves.words, (moves.kind & CONTROL) != 0)

    def _go(self, moves: _Moves) -> None:
        """Let the words go that have room; at most one per node."""
        able, since, _ = self._able(moves)
        if not able.all():
            moves, since = moves.at(able), since[able]
        if len(moves):
            self._carry(moves, np.maximum(moves.time, since))

    def _carry(self, moves: _Moves, time: Times) -> None:
        """Let the words go, which have room, at their cycles; at most one per node."""
        nodes = moves.node
        which, way = _BITS[self.config.tx[nodes]].nonzero()
        self._inputs.pop(moves.buffer, time)
        self.config.last_move[nodes] = time
        inside = which[way == _RAMP]
        self._enter_ramps(moves.at(inside), time[inside])
        is_control = (moves.kind & CONTROL) != 0
        words = moves.words
        kind = moves.kind & np.uint8(CONTROL)
        links = way != _RAMP
        place, way = which[links], way[links]
        target = self._target(nodes[place], way)
        if is_control.any():
            words = self._carry_out(moves, time, is_control)
        flips = nodes[(moves.kind & FLIP) != 0]
        if len(flips):
            self.config.advance(flips)
        self.load[way, nodes[place]] += 1
        self._tell(nodes[place], way, words[place], time[place], kind[place])
        ready = time[place] + self._machine.hop_cycles
        self._check_accepted(target)
        self._inputs.push(target, words[place], kind[place], ready)
        self._look += [nodes, target // 5]
        self._wake_before(moves)

    def _enter_ramps(self, moves: _Moves, time: Times) -> None:
        """Give words to compute elements, where commands and filters let them through."""
        enters = self._reaches(moves)
        if self.filters.is_any and len(moves.node):
            reach = moves.at(enters)
            enters[enters] = ~self._rejected(reach)
            self.filters.count(reach.node, (reach.kind & CONTROL) != 0)
        moves, time = moves.at(enters), time[enters]
        if not len(moves.node):
            return
        is_control = (moves.kind & CONTROL) != 0
        columns = self.inbox.columns(moves.node)
        ways = np.full(len(moves.node), _RAMP, np.intp)
        self._tell(moves.node, ways, moves.words, time, moves.kind)
        self.inbox.put(columns, moves.words, time + self._machine.ramp_cycles, is_control)
        self._note(self.changes.arrived, moves.node)

    def _tell(
        self, nodes: Indices, ways: Indices, words: Words, cycles: Times, kind: Kinds
    ) -> None:
        """Tell whoever wants to know of words that leave routers."""
        if self.crossings is not None and len(nodes):
            colors = np.array(self.colors, np.int64)[nodes // self.pes]
            is_control = (kind & CONTROL) != 0
            self.crossings.left(colors, nodes % self.pes, ways, words, cycles, is_control)

    def _carry_out(
        self, moves: _Moves, time: Times, is_control: NDArray[np.bool_]
    ) -> NDArray[np.uint32]:
        """Carry out commands; the words as they are sent on."""
        nodes, words = moves.node[is_control], moves.words[is_control]
        pops, torn = self.config.carry_out(nodes, words, time[is_control])
        for color, slot in self.config.slots.items() if torn.any() else ():
            here = torn & (nodes // self.pes == slot)
            if here.any():
                at = time[is_control][here]
                self.changes.torn.append((color, nodes[here] % self.pes, at))
        result = moves.words.copy()
        result[is_control] = np.where(pops, control_wavelet.popped(words), words)
        return result

    def _wake_before(self, moves: _Moves) -> None:
        """Wake those who fill the buffers that words have left."""
        way = moves.buffer % 5
        pe, slot = moves.node % self.pes, moves.node // self.pes
        from_ramp = way == _RAMP
        slots = [slot, self._partner[slot]] if self._swaps else [slot]
        for number in slots:
            before = number * self.pes + pe
            self._look_out.append(before[from_ramp])
            links = ~from_ramp & ~self._edge[np.minimum(way, 3), pe]
            self._look.append(before[links] + self._offset[way[links]])

    # ---- where words go --------------------------------------------------------------------------

    def _target(self, nodes: Indices, way: Indices) -> Indices:
        """The buffers that words from these routers go to over links."""
        outside = self._edge[way, nodes % self.pes]
        if outside.any():
            node, name = int(nodes[outside][0]), _NAMES[int(way[outside][0])]
            pe = node % self.pes
            message = f"its route leads {name}, out of the rectangle"
            raise RouteFault(message, self.colors[node // self.pes], pe, pe)
        there = nodes + self._offset[way]
        origin = _OPPOSITE[way]
        return self._received_as(there, origin) * 5 + origin

    def _check_accepted(self, buffers: Indices) -> None:
        """Refuse words that their router will never take."""
        nodes, origin = buffers // 5, buffers % 5
        config = self.config
        fixed = ~config.may_change[nodes] & ~config.is_torn_down[nodes]
        if not fixed.any():
            return
        refused = fixed & (((config.rx[nodes] >> origin) & 1 == 0) | (config.tx[nodes] == 0))
        if refused.any():
            node, way = int(nodes[refused][0]), int(origin[refused][0])
            name = "ramp" if way == _RAMP else _NAMES[way]
            pe = node % self.pes
            message = f"it came from the {name} and no route takes it there"
            raise RouteFault(message, self.colors[node // self.pes], pe, pe)

    def _received_as(self, nodes: Indices, origin: Indices) -> Indices:
        """The nodes at which words of a color are taken, where colors may be swapped."""
        if not self._swaps:
            return nodes
        partner = self._partner[nodes // self.pes] * self.pes + nodes % self.pes
        swap = self.config.swap[partner]
        bits = _AXIS[origin]
        return np.where((swap & bits) == bits, partner, nodes)

    def _note(self, changes: list[tuple[int, Indices]], nodes: Indices) -> None:
        slots, pes = nodes // self.pes, nodes % self.pes
        present: list[int] = np.unique(slots).tolist()
        for slot in present:
            changes.append((self.colors[slot], pes[slots == slot]))


def _unique(parts: list[Indices]) -> Indices:
    return np.unique(parts[0]) if len(parts) == 1 else np.unique(np.concatenate(parts))
