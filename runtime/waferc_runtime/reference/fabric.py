"""Routers, links and queues: each wavelet moves by itself, one link at a time.

A word that a PE processes at cycle t lies in its output queue, leaves it at t + 1 at the earliest,
is `ramp_cycles` on its way to the router, `hop_cycles` on each link and again `ramp_cycles` to the
input queue: t + 1 + 2 * ramp + h * hop for h hops when nothing is in the way. What may be in the
way:

* a queue or a router buffer (one per color and input) is full: space is taken when the word sets
  out and is free again when it leaves (in an output queue one cycle later), so that a stalled
  path holds exactly output queue + router buffers + input queue words;
* another word took the link in this cycle: a link, and a ramp, carries one word per cycle for all
  colors together; the color that was served longest ago goes first;
* a multicast word leaves a router for all its directions at once or not at all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.csl.core import EAST, NORTH, RAMP, SOUTH, WEST, Routes

DIRECTIONS = (EAST, WEST, NORTH, SOUTH)
OPPOSITE = {EAST: WEST, WEST: EAST, NORTH: SOUTH, SOUTH: NORTH}
STEP = {EAST: (1, 0), WEST: (-1, 0), NORTH: (0, -1), SOUTH: (0, 1)}
DIRECTION_NAMES = {EAST: "east", WEST: "west", NORTH: "north", SOUTH: "south", RAMP: "ramp"}

_ONRAMP = 32  # beside the five directions out of a router: the way from the PE into it


class UnroutedError(Exception):
    """A wavelet came where no route takes it."""

    def __init__(self, message: str, pe: int, color: int) -> None:
        super().__init__(message)
        self.message = message
        self.pe = pe
        self.color = color


@dataclass(slots=True)
class Buffer:
    """A bounded queue of (first cycle at which the word can leave, color, bits)."""

    capacity: int
    words: deque[tuple[int, int, int]] = field(default_factory=lambda: deque())
    served: int = -1  # cycle of the last departure

    @property
    def has_space(self) -> bool:
        return len(self.words) < self.capacity

    def has_space_after_departure(self, now: int) -> bool:
        """Whether there is room when what left in this cycle still counts."""
        return len(self.words) + (self.served == now) < self.capacity

    def has_word(self, now: int) -> bool:
        return bool(self.words) and self.words[0][0] <= now


@dataclass(slots=True)
class Traffic:
    """What crossed the fabric so far. `link_load` [4, h, w] counts words leaving E, W, N, S.

    `contended` counts how often a word found its link taken by another color, `stalled` how often
    it found no room ahead; `multicast_wait` sums the cycles that words bound for several
    directions lay in routers.
    """

    link_load: NDArray[np.int64]
    wavelets_sent: int = 0
    wavelet_hops: int = 0
    contended: int = 0
    stalled: int = 0
    multicast_wait: int = 0


class Fabric:
    """All routers of the rectangle. PEs are numbered row by row.

    `input_depth(pe, color)` is the depth of the input queue that takes the color on that PE (the
    deepest if the program names none); `wake(pe, cycle)` is called with every cycle at which a PE
    may have something to do.
    """

    def __init__(
        self,
        width: int,
        height: int,
        routes: Mapping[int, Routes],
        machine: Machine,
        input_depth: Callable[[int, int], int],
        wake: Callable[[int, int], None],
    ) -> None:
        self.width = width
        self.height = height
        self.traffic = Traffic(np.zeros((4, height, width), np.int64))
        self._routes = {
            color: (route.rx.reshape(-1), route.tx.reshape(-1)) for color, route in routes.items()
        }
        self._machine = machine
        self._input_depth = input_depth
        self._wake = wake
        self._inputs: dict[tuple[int, int], Buffer] = {}  # by PE and color
        self._outputs: list[dict[int, Buffer]] = [{} for _ in range(width * height)]  # by queue
        self._routers: list[dict[tuple[int, int], Buffer]] = [
            {} for _ in range(width * height)
        ]  # by color and the direction words come from
        self._sound: set[tuple[int, int]] = set()  # PEs and colors whose routes lead to a ramp
        self._last_use: dict[tuple[int, int], tuple[int, int]] = {}  # cycle, color; by PE and way

    # ---- the PE's side -------------------------------------------------------------------------

    def arrival(self, pe: int, color: int, count: int) -> int | None:
        """The cycle from which the first `count` words of `color` can be taken; None if unknown."""
        words = self.input(pe, color).words
        return words[count - 1][0] if len(words) >= count else None

    def take(self, pe: int, color: int, now: int) -> int:
        """Take the first word of `color` out of its input queue."""
        _, _, bits = self.input(pe, color).words.popleft()
        self._wake(pe, now)
        return bits

    def can_put(self, pe: int, queue: int, now: int) -> bool:
        """Whether output queue `queue` has room at cycle `now`."""
        return self._output(pe, queue).has_space_after_departure(now)

    def put(self, pe: int, queue: int, color: int, bits: int, now: int) -> None:
        """Put a word into an output queue at cycle `now`.

        Raises:
            UnroutedError: no route of the color leads from the PE's ramp to some ramp.
        """
        if (pe, color) not in self._sound:
            rx, tx = self.route(pe, color)
            if not rx & RAMP or not tx:
                raise UnroutedError("no route takes it from the ramp", pe, color)
            if not self.destinations(pe, color):
                raise UnroutedError("its route ends at no ramp", pe, color)
            self._sound.add((pe, color))
        self._output(pe, queue).words.append((now + 1, color, bits))
        self.traffic.wavelets_sent += 1
        self._wake(pe, now + 1)

    # ---- routes ----------------------------------------------------------------------------------

    def route(self, pe: int, color: int) -> tuple[int, int]:
        """The masks of directions that `color` comes from and goes to on `pe`; (0, 0) if none."""
        if color not in self._routes:
            return 0, 0
        rx, tx = self._routes[color]
        return int(rx[pe]), int(tx[pe])

    def neighbour(self, pe: int, direction: int) -> int | None:
        """The PE next to `pe`, or None at the edge of the rectangle."""
        dx, dy = STEP[direction]
        x, y = pe % self.width + dx, pe // self.width + dy
        inside = 0 <= x < self.width and 0 <= y < self.height
        return y * self.width + x if inside else None

    def source(self, pe: int, color: int) -> int | None:
        """The PE from whose ramp `color` reaches `pe`; None if the route starts nowhere."""
        seen: set[int] = set()
        while pe not in seen:
            seen.add(pe)
            rx, _ = self.route(pe, color)
            if rx & RAMP:
                return pe
            ways = [d for d in DIRECTIONS if rx & d]
            before = self.neighbour(pe, ways[0]) if ways else None
            if before is None:
                return None
            pe = before
        return None

    def destinations(self, pe: int, color: int) -> list[int]:
        """The PEs to whose ramps a word of `color` from the ramp of `pe` goes.

        Raises:
            UnroutedError: it would run in a circle.
        """
        found: list[int] = []
        front = [pe]
        for _ in range(self.width * self.height + 1):
            found += [here for here in front if self.route(here, color)[1] & RAMP]
            ways = [(h, d) for h in front for d in DIRECTIONS if self.route(h, color)[1] & d]
            neighbours = (self.neighbour(here, direction) for here, direction in ways)
            front = [there for there in neighbours if there is not None]
            if not front:
                return sorted(found)
        raise UnroutedError("its route runs in a circle", pe, color)

    def held(self, pe: int, color: int) -> int:
        """Words of `color` that lie in the input queue of `pe`."""
        return len(self.input(pe, color).words)

    def words_under_way(self) -> int:
        """Words in all queues and routers."""
        routers = [buffer for router in self._routers for buffer in router.values()]
        outputs = [buffer for queues in self._outputs for buffer in queues.values()]
        buffers = [*routers, *outputs, *self._inputs.values()]
        return sum(len(buffer.words) for buffer in buffers)

    # ---- moving ----------------------------------------------------------------------------------

    def step(self, pe: int, now: int) -> None:
        """Let every word in the router and the output queues of `pe` go that can go at `now`.

        Raises:
            UnroutedError: a word comes where no route takes it.
        """
        leaving = [buffer for buffer in self._outputs[pe].values() if buffer.has_word(now)]
        for buffer in sorted(leaving, key=lambda buffer: buffer.served):
            self._onto_ramp(pe, buffer, now)
        waiting = [item for item in self._routers[pe].items() if item[1].has_word(now)]
        for (color, origin), buffer in sorted(waiting, key=lambda item: (item[1].served, item[0])):
            self._through_router(pe, color, origin, buffer, now)

    def _onto_ramp(self, pe: int, buffer: Buffer, now: int) -> None:
        _, color, bits = buffer.words[0]
        target = self._router(pe, color, RAMP)
        if not self._is_free(pe, _ONRAMP, color, now) or not self._has_room([target]):
            return
        buffer.words.popleft()
        buffer.served = now
        self._last_use[pe, _ONRAMP] = now, color
        self._land(target, pe, now + self._machine.ramp_cycles, color, bits)
        self._wake(pe, now + 1)  # the queue has room again
        if buffer.words:
            self._wake(pe, max(now + 1, buffer.words[0][0]))

    def _through_router(self, pe: int, color: int, origin: int, buffer: Buffer, now: int) -> None:
        rx, tx = self.route(pe, color)
        if not rx & origin or not tx:
            name = DIRECTION_NAMES[origin]
            raise UnroutedError(f"it came from the {name} and no route takes it there", pe, color)
        links = [direction for direction in DIRECTIONS if tx & direction]
        targets: list[tuple[int, Buffer]] = []
        for direction in links:
            there = self.neighbour(pe, direction)
            if there is None:
                name = DIRECTION_NAMES[direction]
                raise UnroutedError(f"its route leads {name}, out of the rectangle", pe, color)
            targets.append((there, self._router(there, color, OPPOSITE[direction])))
        exits = links + ([RAMP] if tx & RAMP else [])
        if not all(self._is_free(pe, direction, color, now) for direction in exits):
            return
        arriving = [self.input(pe, color)] if tx & RAMP else []
        if not self._has_room([*(target for _, target in targets), *arriving]):
            return
        landed, _, bits = buffer.words.popleft()
        buffer.served = now
        if len(exits) > 1:
            self.traffic.multicast_wait += now - landed
        for direction in exits:
            self._last_use[pe, direction] = now, color
        for (there, target), direction in zip(targets, links, strict=True):
            self._land(target, there, now + self._machine.hop_cycles, color, bits)
            y, x = divmod(pe, self.width)
            self.traffic.link_load[DIRECTIONS.index(direction), y, x] += 1
            self.traffic.wavelet_hops += 1
        if tx & RAMP:
            arrival = now + self._machine.ramp_cycles
            self._land(self.input(pe, color), pe, arrival, color, bits)
        before = pe if origin == RAMP else self.neighbour(pe, origin)
        if before is not None:
            self._wake(before, now)  # this buffer has room again
        if buffer.words:
            self._wake(pe, max(now + 1, buffer.words[0][0]))

    def _land(self, target: Buffer, pe: int, cycle: int, color: int, bits: int) -> None:
        target.words.append((cycle, color, bits))
        self._wake(pe, cycle)

    def _is_free(self, pe: int, direction: int, color: int, now: int) -> bool:
        used_at, used_by = self._last_use.get((pe, direction), (-1, color))
        if used_at == now:
            self.traffic.contended += used_by != color
            self._wake(pe, now + 1)
        return used_at < now

    def _has_room(self, targets: list[Buffer]) -> bool:
        has_room = all(target.has_space for target in targets)
        self.traffic.stalled += not has_room
        return has_room

    def input(self, pe: int, color: int) -> Buffer:
        """The input queue that takes `color` on `pe`."""
        if (pe, color) not in self._inputs:
            self._inputs[pe, color] = Buffer(self._input_depth(pe, color))
        return self._inputs[pe, color]

    def _output(self, pe: int, queue: int) -> Buffer:
        if queue not in self._outputs[pe]:
            depths = self._machine.output_queue_depths
            self._outputs[pe][queue] = Buffer(depths[queue] if queue >= 0 else max(depths))
        return self._outputs[pe][queue]

    def _router(self, pe: int, color: int, origin: int) -> Buffer:
        if (color, origin) not in self._routers[pe]:
            self._routers[pe][color, origin] = Buffer(self._machine.router_buffer_wavelets)
        return self._routers[pe][color, origin]
