"""Links and queues: each wavelet moves by itself, one link at a time.

A word that a PE processes at cycle t lies in its output queue, leaves it at t + 1 at the earliest,
is `ramp_cycles` on its way to the router, `hop_cycles` on each link and again `ramp_cycles` to the
input queue: t + 1 + 2 * ramp + h * hop for h hops when nothing is in the way. What may be in the
way:

* a queue or a router buffer (one per color and input) is full: space is taken when the word sets
  out and is free again when it leaves (in an output queue one cycle later), so that a stalled
  path holds exactly output queue + router buffers + input queue words;
* another word took the link in this cycle: a link, and a ramp, carries one word per cycle for all
  colors together; the color that was served longest ago goes first;
* a multicast word leaves a router for all its directions at once or not at all;
* a color is torn down, or its switch does not accept the direction: words wait in their buffer.

Of several inputs that a color accepts the word goes first that came first; two that came in one
cycle are an error. What a router keeps from its PE (by a filter, or a command's bit) takes
neither ramp nor queue. A switch moves behind the wavelet that tells it to.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from waferc_ir.machine import Machine
from waferc_runtime.builtins.control_wavelet import skips_ramp
from waferc_runtime.csl.core import EAST, NORTH, RAMP, SOUTH, WEST
from waferc_runtime.observer import WaveletEvent
from waferc_runtime.reference.buffers import Buffer, Traffic, Wavelet
from waferc_runtime.reference.router import Router
from waferc_runtime.reference.routers import (
    DIRECTION_NAMES,
    DIRECTIONS,
    OPPOSITE,
    Routers,
    UnroutedError,
)

_LETTERS: Mapping[int, Literal["E", "W", "N", "S", "R"]] = {
    EAST: "E",
    WEST: "W",
    NORTH: "N",
    SOUTH: "S",
    RAMP: "R",
}
_LINKS: Mapping[int, tuple[int, ...]] = {
    mask: tuple([direction for direction in DIRECTIONS if mask & direction])
    for mask in range(1 + EAST + WEST + NORTH + SOUTH + RAMP)
}
_PASSAGE = 64  # and the color: its way through a router
_ONRAMP = 32  # beside the five directions out of a router: the way from the PE into it


class CollisionError(Exception):
    """Two wavelets of one color came into a router in one cycle."""

    def __init__(self, pe: int, color: int, origins: Sequence[int], cycle: int) -> None:
        names = " and ".join(DIRECTION_NAMES[origin] for origin in sorted(origins))
        self.message = f"they come from {names} in one cycle"
        super().__init__(self.message)
        self.pe = pe
        self.color = color
        self.cycle = cycle


@dataclass(frozen=True, slots=True)
class FabricHooks:
    """What the fabric asks of the wafer around it, and what it tells.

    `input_depth(pe, color)` is the depth of the input queue that takes the color on that PE (the
    deepest if the program names none); `wake(pe, cycle)` is told every cycle at which a PE may
    have something to do; `torn_down(pe, color, cycle)` that a wavelet tore down a color there;
    `crossed`, if somebody watches, each wavelet that leaves a router.
    """

    input_depth: Callable[[int, int], int]
    wake: Callable[[int, int], None]
    torn_down: Callable[[int, int, int], None] = lambda pe, color, cycle: None
    crossed: Callable[[WaveletEvent], None] | None = None


class Fabric:
    """All buffers of the rectangle, and what moves between them.

    Words of `host_outputs` leave the wafer behind the router of their PE.
    """

    def __init__(
        self,
        routers: Routers,
        machine: Machine,
        hooks: FabricHooks,
        host_outputs: frozenset[int] = frozenset(),
    ) -> None:
        pes = routers.width * routers.height
        self.routers = routers
        self.traffic = Traffic()
        self._machine = machine
        self._hooks = hooks
        self._wake = hooks.wake
        self._host_outputs = host_outputs
        self._inputs: list[dict[int, Buffer]] = [{} for _ in range(pes)]  # by color
        self._outputs: list[dict[int, Buffer]] = [{} for _ in range(pes)]  # by queue
        self._buffers: list[dict[tuple[int, int], Buffer]] = [
            {} for _ in range(pes)
        ]  # in routers, by color and the direction words come from
        self._fed: list[dict[int, Buffer]] = [{} for _ in range(pes)]  # words of the host, by color
        self._taken: dict[tuple[int, int], deque[int]] = defaultdict(deque)  # for the host
        self._sound: set[tuple[int, int]] = set()  # PEs and colors whose routes lead to a ramp
        self._last_use: dict[tuple[int, int], tuple[int, int]] = {}  # cycle, color; by PE and way

    # ---- the PE's side -------------------------------------------------------------------------

    def arrival(self, pe: int, color: int, count: int) -> int | None:
        """The cycle from which the first `count` words of `color` can be taken; None if unknown."""
        words = self.input(pe, color).words
        return words[count - 1][0] if len(words) >= count else None

    def colors(self, pe: int) -> list[int]:
        """The colors of which words lie in input queues of `pe`."""
        return [color for color, buffer in self._inputs[pe].items() if buffer.words]

    def head(self, pe: int, color: int) -> Wavelet | None:
        """The first word of `color` in its input queue, or on the ramp to it."""
        words = self.input(pe, color).words
        return words[0][1] if words else None

    def take(self, pe: int, color: int, now: int) -> Wavelet:
        """Take the first word of `color` out of its input queue."""
        wavelet = self.input(pe, color).leave(now)
        self._wake(pe, now)
        return wavelet

    def can_put(self, pe: int, queue: int, now: int) -> bool:
        """Whether output queue `queue` has room at cycle `now`."""
        return self.output(pe, queue).has_space_after_departure(now)

    def drained_at(self, pe: int, queue: int) -> int | None:
        """The cycle since which an output queue is empty; None if it is not."""
        output = self.output(pe, queue)
        return None if output.words else output.served + 1

    def put(self, pe: int, queue: int, wavelet: Wavelet, now: int) -> None:
        """Put a word into an output queue at cycle `now`.

        Raises:
            UnroutedError: no route of the color leads from the PE's ramp to some ramp.
        """
        color = wavelet.color
        if (pe, color) not in self._sound:
            if self.routers.is_static(color) and color not in self._host_outputs:
                self._check_way(pe, color)
            self._sound.add((pe, color))
        self.output(pe, queue).land(now + 1, wavelet)
        self.traffic.wavelets_sent += 1
        self._wake(pe, now + 1)

    def _check_way(self, pe: int, color: int) -> None:
        router = self.routers.at(pe, color)
        if not router.rx & RAMP or not router.tx:
            raise UnroutedError("no route takes it from the ramp", pe, color)
        if not self.routers.destinations(pe, color):
            raise UnroutedError("its route ends at no ramp", pe, color)

    def input(self, pe: int, color: int) -> Buffer:
        """The input queue that takes `color` on `pe`."""
        if color not in self._inputs[pe]:
            self._inputs[pe][color] = Buffer(self._hooks.input_depth(pe, color))
        return self._inputs[pe][color]

    def output(self, pe: int, queue: int) -> Buffer:
        """An output queue of `pe`."""
        if queue not in self._outputs[pe]:
            depths = self._machine.output_queue_depths
            self._outputs[pe][queue] = Buffer(depths[queue] if queue >= 0 else max(depths))
        return self._outputs[pe][queue]

    # ---- the host's side -------------------------------------------------------------------------

    def feed(self, pe: int, color: int, words: Sequence[int], begin: int) -> None:
        """Let words of the host come to the ramp of `pe`, one per cycle from `begin` on."""
        buffer = self._fed[pe].setdefault(color, Buffer(0))
        cycle = max(begin, buffer.words[-1][0] + 1 if buffer.words else 0, buffer.served + 1)
        for place, bits in enumerate(words):
            buffer.land(cycle + place, Wavelet(color, int(bits)))
        self._wake(pe, cycle)

    def taken(self, pe: int, color: int) -> deque[int]:
        """The words of `color` that have come to the host from `pe` and are still to be read."""
        return self._taken[pe, color]

    # ---- what lies where -------------------------------------------------------------------------

    def held(self, pe: int, color: int) -> int:
        """Words of `color` that lie in the input queue of `pe`."""
        return len(self.input(pe, color).words)

    def waiting_in_routers(self) -> list[tuple[int, int, int, int]]:
        """What lies in routers: PE, color, direction it came from, number of words."""
        return [
            (pe, color, origin, len(buffer.words))
            for pe, buffers in enumerate(self._buffers)
            for (color, origin), buffer in sorted(buffers.items())
            if buffer.words
        ]

    def words_under_way(self) -> int:
        """Words in all queues and routers."""
        routers = [buffer for router in self._buffers for buffer in router.values()]
        outputs = [buffer for queues in self._outputs for buffer in queues.values()]
        inputs = [buffer for queues in self._inputs for buffer in queues.values()]
        buffers = [*routers, *outputs, *inputs]
        return sum(len(buffer.words) for buffer in buffers)

    # ---- moving ----------------------------------------------------------------------------------

    def step(self, pe: int, now: int) -> None:
        """Let every word in the router and the output queues of `pe` go that can go at `now`.

        Raises:
            UnroutedError: a word comes where no route takes it.
            CollisionError: two words of one color come at once.
        """
        for color, buffer in self._fed[pe].items():
            if buffer.has_word(now):
                self._from_host(pe, color, buffer, now)
        leaving = [buffer for buffer in self._outputs[pe].values() if buffer.has_word(now)]
        if leaving:
            for buffer in sorted(leaving, key=lambda buffer: buffer.served):
                self._onto_ramp(pe, buffer, now)
        waiting: dict[int, list[tuple[int, Buffer]]] = {}
        for (color, origin), buffer in self._buffers[pe].items():
            words = buffer.words
            if words and words[0][0] <= now:
                waiting.setdefault(color, []).append((origin, buffer))
        if not waiting:
            return
        chosen = [
            (buffer.served, color, origin, buffer)
            for color, inputs in waiting.items()
            for origin, buffer in self._accepted(pe, color, inputs)
        ]
        for _, color, origin, buffer in sorted(chosen, key=lambda item: item[:3]):
            self._through_router(pe, color, origin, buffer, now)

    def _from_host(self, pe: int, color: int, buffer: Buffer, now: int) -> None:
        target = self.input(pe, color)
        if target.has_space:
            self._land(target, pe, now, buffer.leave(now))
            if buffer.words:
                self._wake(pe, max(now + 1, buffer.words[0][0]))

    def _onto_ramp(self, pe: int, buffer: Buffer, now: int) -> None:
        wavelet = buffer.words[0][1]
        color = self.routers.taken_as(pe, wavelet.color, RAMP)
        target = self._buffer(pe, color, RAMP)
        if not self._is_free(pe, _ONRAMP, color, now) or not self._has_room([target]):
            return
        buffer.leave(now)
        self._last_use[pe, _ONRAMP] = now, color
        arrival = now + self._machine.ramp_cycles
        self._land(target, pe, arrival, _on_color(wavelet, color))
        self._wake(pe, now + 1)  # the queue has room again
        if buffer.words:
            self._wake(pe, max(now + 1, buffer.words[0][0]))

    def _accepted(
        self, pe: int, color: int, inputs: list[tuple[int, Buffer]]
    ) -> list[tuple[int, Buffer]]:
        """The input of a color whose word goes next; none if all have to wait."""
        if color in self._host_outputs:
            return inputs
        router = self.routers.at(pe, color)
        if router.is_torn_down:
            return []
        taken = [item for item in inputs if router.rx & item[0] and router.tx]
        if not taken:
            if not self.routers.may_change(pe, color):
                name = DIRECTION_NAMES[inputs[0][0]]
                raise UnroutedError(
                    f"it came from the {name} and no route takes it there", pe, color
                )
            return []
        if len(taken) == 1:
            return taken
        taken.sort(key=lambda item: item[1].words[0][0])
        came = taken[0][1].words[0][0]
        together = [origin for origin, buffer in taken if buffer.words[0][0] == came]
        if len(together) > 1:
            raise CollisionError(pe, color, together, came)
        return taken[:1]

    def _through_router(self, pe: int, color: int, origin: int, buffer: Buffer, now: int) -> None:
        if color in self._host_outputs:
            self._to_host(pe, color, buffer, now)
            return
        router = self.routers.at(pe, color)
        wavelet = buffer.words[0][1]
        links = _LINKS[router.tx & ~RAMP]
        targets = [self._over(pe, direction, color) for direction in links]
        seen = bool(router.tx & RAMP) and not (wavelet.is_control and skips_ramp(wavelet.bits))
        arrives = seen and (router.filter is None or router.filter.passes(wavelet))
        exits = (*links, RAMP) if arrives else links
        passage = _PASSAGE + color  # one word of a color per cycle, also of those that go nowhere
        for way in (passage, *exits):
            if not self._is_free(pe, way, color, now):
                return
        ahead = [self._buffer(*target) for target in targets]
        if arrives:
            ahead.append(self.input(pe, color))
        if not self._has_room(ahead):
            return
        landed = buffer.words[0][0]
        buffer.leave(now)
        if seen and router.filter is not None:
            router.filter.count(wavelet)
        onward = self._commanded(pe, router, wavelet, origin, now)
        if len(exits) > 1:
            self.traffic.multicast_wait += now - landed
        arrival = now + self._machine.hop_cycles
        for target, (there, taken_as, _), direction in zip(ahead, targets, links, strict=False):
            self._land(target, there, arrival, _on_color(onward, taken_as))
            self._count(pe, taken_as, direction)
        if arrives:
            self._land(ahead[-1], pe, now + self._machine.ramp_cycles, wavelet)
        self._last_use[pe, passage] = now, color
        for direction in exits:
            self._last_use[pe, direction] = now, color
            self._tell(pe, direction, wavelet if direction == RAMP else onward, now)
        before = pe if origin == RAMP else self.routers.neighbour(pe, origin)
        if before is not None:
            self._wake(before, now)  # this buffer has room again
        for (other, _), rest in self._buffers[pe].items():
            if other == color and rest.words:
                self._wake(pe, max(now + 1, rest.words[0][0]))

    def _count(self, pe: int, color: int, direction: int) -> None:
        load = self.traffic.link_load.get(color)
        if load is None:
            shape = 4, self.routers.height, self.routers.width
            load = self.traffic.link_load[color] = np.zeros(shape, np.int64)
        y, x = divmod(pe, self.routers.width)
        load[DIRECTIONS.index(direction), y, x] += 1
        self.traffic.wavelet_hops += 1

    def _to_host(self, pe: int, color: int, buffer: Buffer, now: int) -> None:
        wavelet = buffer.leave(now)
        self._taken[pe, color].append(wavelet.bits)
        self._tell(pe, RAMP, wavelet, now)
        self._wake(pe, now if not buffer.words else max(now + 1, buffer.words[0][0]))

    def _commanded(
        self, pe: int, router: Router, wavelet: Wavelet, origin: int, now: int
    ) -> Wavelet:
        """Let the switch do what a wavelet that passes tells it; the wavelet to send on."""
        if not wavelet.is_control and not wavelet.flips_switch:
            return wavelet
        was_torn_down = router.is_torn_down
        bits = router.obey(wavelet.bits) if wavelet.is_control else wavelet.bits
        if router.is_torn_down and not was_torn_down:
            self._hooks.torn_down(pe, wavelet.color, now)
        if origin == RAMP and wavelet.flips_switch:
            router.advance()
        return replace(wavelet, bits=bits, flips_switch=False)

    def _over(self, pe: int, direction: int, color: int) -> tuple[int, int, int]:
        """The buffer over a link: PE, color as which it is taken there, where it comes from."""
        there = self.routers.neighbour(pe, direction)
        if there is None:
            name = DIRECTION_NAMES[direction]
            raise UnroutedError(f"its route leads {name}, out of the rectangle", pe, color)
        origin = OPPOSITE[direction]
        return there, self.routers.taken_as(there, color, origin), origin

    def _buffer(self, pe: int, color: int, origin: int) -> Buffer:
        buffers = self._buffers[pe]
        buffer = buffers.get((color, origin))
        if buffer is None:
            buffer = buffers[color, origin] = Buffer(self._machine.router_buffer_wavelets)
        return buffer

    def _land(self, target: Buffer, pe: int, cycle: int, wavelet: Wavelet) -> None:
        target.land(cycle, wavelet)
        self._wake(pe, cycle)

    def _is_free(self, pe: int, direction: int, color: int, now: int) -> bool:
        used_at, used_by = self._last_use.get((pe, direction), (-1, color))
        if used_at == now:
            self.traffic.contended += used_by != color
            self._wake(pe, now + 1)
        return used_at < now

    def _has_room(self, targets: list[Buffer]) -> bool:
        for target in targets:
            if len(target.words) >= target.capacity:
                self.traffic.stalled += 1
                return False
        return True

    def _tell(self, pe: int, direction: int, wavelet: Wavelet, now: int) -> None:
        if self._hooks.crossed is not None:
            y, x = divmod(pe, self.routers.width)
            letter = _LETTERS[direction]
            self._hooks.crossed(
                WaveletEvent(x, y, letter, wavelet.color, wavelet.bits, wavelet.is_control, now)
            )


def _on_color(wavelet: Wavelet, color: int) -> Wavelet:
    return wavelet if wavelet.color == color else replace(wavelet, color=color)
