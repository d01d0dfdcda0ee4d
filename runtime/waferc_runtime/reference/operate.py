"""DSD operations, one element at a time, in memory, on the fabric, and with FIFOs.

Time: in memory only, setup and then width elements per cycle. With fabric operands or a FIFO
element i is processed at `max(t_(i-1) + 1, arrival_i)`, later if the output queue or the FIFO is
full, and the operation ends one cycle after its last element. Where all fabric operands are
packed, two elements are processed per cycle.

A wavelet with the control bit is data, unless the operation says `on_control`: then it ends the
operation, which does what it does at its end, and beside that what `on_control` says.
"""

from __future__ import annotations

from collections import defaultdict
from enum import Enum, auto
from typing import Any

from waferc_ir.diagnostics import Location
from waferc_runtime.builtins.timing import memory_operation_cycles, unhindered_cycles
from waferc_runtime.reference.arithmetic import Arithmetic, bits_of
from waferc_runtime.reference.buffers import Wavelet
from waferc_runtime.reference.fabric import Fabric
from waferc_runtime.reference.memory import FabricDsd, FifoOperand, MemoryDsd
from waferc_runtime.reference.operands import Operation
from waferc_runtime.reference.routers import UnroutedError
from waferc_runtime.reference.state import State
from waferc_runtime.reference.thread import Obstacle, Steps, Thread, Wait

_IMPLIED_QUEUES = -1  # queue of a color for which the program names none: -1 - color
_CONTROL_BIT = 1 << 31  # in the bits of a `control_transform` operand


class Ending(Enum):
    """Why an operation ends before its last element."""

    CONTROL = auto()
    FIFO = auto()


def output_queue(dsd: FabricDsd) -> int:
    """The output queue of a fabout; one of its own for each color if it names none."""
    return _IMPLIED_QUEUES - dsd.color if dsd.queue is None else dsd.queue


def operate(state: State, thread: Thread, operation: Operation, count: int | None) -> Steps[bool]:
    """Run an operation of `count` elements on the clock of `thread`; whether it came to the last.

    None: it never ends.
    """
    if operation.streams:
        before = thread.clock - thread.waited
        is_complete = yield from _Stream(state, thread, operation, count).run()
        thread.moving += thread.clock - thread.waited - before
        return is_complete
    assert count is not None
    arithmetic = Arithmetic(state, thread, operation)
    for index in range(count):
        arithmetic.element(index, {})
    cycles = _memory_cycles(state, operation, count)
    setup = state.machine.dsd_setup_cycles
    thread.clock += setup
    yield from _in_turns(state, thread, cycles - setup)
    thread.conflicts += cycles - unhindered_cycles(operation.op, count, state.machine)
    _settle(operation, count)
    return True


def _in_turns(state: State, thread: Thread, cycles: int) -> Steps[None]:
    """Use the datapath for so many cycles, beside microthreads that use it too."""
    left = cycles
    thread.is_operating = True
    while left and state.microthreads and state.datapath.is_shared:
        if thread.clock > state.now:
            yield Wait(thread.clock)
        if state.datapath.take(thread, thread.clock):
            left -= 1
        else:
            thread.waited += 1
        thread.clock += 1
    thread.clock += left
    thread.is_operating = False


def _memory_cycles(state: State, operation: Operation, count: int) -> int:
    op = operation.op
    dest, *sources = operation.values
    reads = [
        source.walk(element)
        for source, element in zip(sources, op.source_elements, strict=True)
        if isinstance(source, MemoryDsd)
    ]
    write = dest.walk(op.element) if isinstance(dest, MemoryDsd) else None
    return int(memory_operation_cycles(op, count, state.machine, reads, write))


def _settle(operation: Operation, done: int) -> None:
    for item in operation.operands:
        item.settle(done)


class _Stream:
    """An operation with operands on the fabric or a FIFO."""

    def __init__(
        self, state: State, thread: Thread, operation: Operation, total: int | None
    ) -> None:
        self._state = state
        self._thread = thread
        self._operation = operation
        self._dest = operation.dest
        self._total = total
        self._done = 0
        self._arithmetic = Arithmetic(state, thread, operation)
        self._ring = operation.ring(state)
        self._found_at = -1  # the element for which the FIFO was last found empty or full
        self._inputs = {
            place: item.value
            for place, item in enumerate(operation.operands)
            if isinstance(item.value, FabricDsd) and item.value.is_input
        }
        self._taken: dict[int, list[int]] = {place: [] for place in self._inputs}
        places: defaultdict[int, list[list[int]]] = defaultdict(list)
        for place, dsd in self._inputs.items():
            places[dsd.color].append(self._taken[place])
        self._sources = [
            (color, state.fabric.input(state.index, color), halves)
            for color, halves in places.items()
        ]  # color, its queue, and what is left of the wavelets taken from it
        self._seen = 0  # words that had come when it was last looked
        self._lacks_room = False
        self._to_send: list[int] = []  # halves of a packed wavelet
        self._is_narrow = operation.op.element.words == 1
        self._group = 1
        packed = [dsd.packed for dsd in operation.fabric]
        if self._ring is None and self._is_narrow and all(packed):
            self._group = 2

    def run(self) -> Steps[bool]:
        self._thread.clock += self._state.machine.dsd_setup_cycles
        self._thread.is_operating = True
        ending: Ending | None = None
        while self._total is None or self._done < self._total:
            count = self._group
            if self._total is not None:
                count = min(count, self._total - self._done)
            ending = yield from self._wait(count)
            if ending is not None:
                break
            self._step(count)
            self._thread.clock += 1
        self._thread.is_operating = False
        _settle(self._operation, self._done)
        if self._to_send and isinstance(self._dest, FabricDsd):
            self._send_rest(self._dest)
        if ending is Ending.CONTROL:
            self._tell_control()
        if ending is Ending.FIFO:
            self._keep_length()
        return ending is not Ending.FIFO

    # ---- waiting ---------------------------------------------------------------------------------

    def _wait(self, count: int) -> Steps[Ending | None]:
        """Let time pass until `count` elements can be processed, or the operation ends."""
        state, thread = self._state, self._thread
        earliest = thread.clock
        while True:
            ready, obstacle, ending = self._look(earliest, count)
            if ready > state.now:
                yield Wait(ready, obstacle)
            elif ending is None and obstacle is not None:
                yield Wait(None, obstacle, self._is_hopeless if self._ring is None else None)
            elif ending is None and not state.datapath.take(thread, state.now):
                yield Wait(state.now + 1)
            else:
                break
        thread.waited += state.now - earliest
        thread.clock = state.now
        return ending

    def _look(self, earliest: int, count: int) -> tuple[int, Obstacle | None, Ending | None]:
        """The cycle from which things are as they seem, what is in the way, how it ends."""
        state, thread = self._state, self._thread
        if thread.microthread is not None and thread.microthread in state.blocked_microthreads:
            return earliest, self._obstacle("blocked", thread.microthread), None
        ready = earliest
        obstacle: Obstacle | None = None
        ends_on_control = self._operation.config.on_control is not None
        for color, queue, halves in self._sources:
            needed = sum([len(rest) < count for rest in halves])
            if not needed:
                continue
            if ends_on_control and self._is_control(color):
                return max(earliest, queue.words[0][0]), None, Ending.CONTROL
            if len(queue.words) < needed:
                obstacle = self._obstacle("receive", color)
            else:
                ready = max(ready, queue.words[needed - 1][0])
        self._seen = self._landed()
        dest = self._dest
        self._lacks_room = (
            obstacle is None
            and isinstance(dest, FabricDsd)
            and self._sends(dest, count)
            and not self._has_room(dest)
        )
        if self._lacks_room and isinstance(dest, FabricDsd):
            obstacle = self._obstacle("send", dest.color)
        if obstacle is None and self._ring is not None:
            return self._look_at_ring(ready)
        return ready, obstacle, None

    def _is_hopeless(self) -> bool:
        """Whether what was in the way when it was last looked must still be."""
        if self._thread.microthread in self._state.blocked_microthreads:
            return False
        if self._landed() != self._seen:
            return False
        if not self._lacks_room:
            return True
        return isinstance(self._dest, FabricDsd) and not self._has_room(self._dest)

    def _landed(self) -> int:
        return sum([queue.landed for _, queue, _ in self._sources])

    def _has_room(self, dsd: FabricDsd) -> bool:
        state = self._state
        return state.fabric.can_put(state.index, output_queue(dsd), state.now)

    def _look_at_ring(self, ready: int) -> tuple[int, Obstacle | None, Ending | None]:
        assert self._ring is not None
        place, ring = self._ring
        since = ring.elements_from(self._width(place)) if place else ring.room_from(self._width(0))
        now, is_sync = self._state.now, self._thread.microthread is None
        if since is not None and since <= max(ready, now):
            return max(ready, since), None, None
        if ready <= now and since is None:
            ring.was_empty = ring.was_empty or place > 0
            ring.was_full = ring.was_full or place == 0
            self._found_at = self._done
        elif ready <= now and self._found_at != self._done:
            # found so in the very cycle of the push or pop that ends it
            self._tell_ring(True, ring.fifo.activate_push if place else ring.fifo.activate_pop)
        if since is not None and not is_sync:
            return max(ready, since), None, None
        obstacle = self._obstacle("pop" if place else "push", ring.fifo.name)
        return ready, obstacle, Ending.FIFO if is_sync else None

    def _is_control(self, color: int) -> bool:
        head = self._state.fabric.head(self._state.index, color)
        return head is not None and head.is_control

    def _obstacle(self, kind: Any, what: int | str) -> Obstacle:
        return Obstacle(kind, what, self._done, self._total)

    # ---- processing ------------------------------------------------------------------------------

    def _step(self, count: int) -> None:
        """Process `count` elements at the thread's clock."""
        operation, now = self._operation, self._thread.clock
        for place, dsd in self._inputs.items():
            if len(self._taken[place]) < count:
                self._taken[place] += self._received(dsd)
        for _ in range(count):
            arrived = {place: halves.pop(0) for place, halves in self._taken.items()}
            if self._ring is not None and self._ring[0] > 0:
                place, ring = self._ring
                arrived[place] = ring.pop(self._width(place), now)
                self._tell_ring(ring.was_full, ring.fifo.activate_pop)
                ring.was_full = False
            result = self._arithmetic.element(self._done, arrived)
            self._done += 1
            if isinstance(self._dest, FabricDsd):
                self._send(self._dest, bits_of(result, operation.op.element))
            elif isinstance(self._dest, FifoOperand) and self._ring is not None:
                ring = self._ring[1]
                ring.push(bits_of(result, operation.op.element), self._width(0), now)
                self._tell_ring(ring.was_empty, ring.fifo.activate_push)
                ring.was_empty = False

    def _received(self, dsd: FabricDsd) -> list[int]:
        """The bits of the elements in the next wavelet of a fabin."""
        wavelet = self._state.fabric.take(self._state.index, dsd.color, self._thread.clock)
        bits = wavelet.bits
        if dsd.carries_control:
            bits = bits & ~_CONTROL_BIT | wavelet.is_control * _CONTROL_BIT
        return [bits & 0xFFFF, bits >> 16] if self._packs(dsd) else [bits]

    def _sends(self, dsd: FabricDsd, count: int) -> bool:
        """Whether `count` elements more make a wavelet full."""
        is_last = self._total is not None and self._done + count >= self._total
        return not self._packs(dsd) or is_last or len(self._to_send) + count >= 2

    def _send(self, dsd: FabricDsd, bits: int) -> None:
        """Send an element, or keep it until its wavelet is full; it is counted as done."""
        is_last = self._done == self._total
        self._to_send.append(bits)
        if self._packs(dsd):
            if len(self._to_send) < 2 and not is_last:
                return
            bits = sum(half << (16 * place) for place, half in enumerate(self._to_send))
        elif dsd.takes_index and self._is_narrow:
            bits |= (self._operation.index & 0xFFFF) << 16
        self._to_send.clear()
        is_control = dsd.is_control
        if dsd.carries_control:
            is_control = is_control or bool(bits & _CONTROL_BIT)
            bits &= ~_CONTROL_BIT
        wavelet = Wavelet(dsd.color, bits, is_control, dsd.flips_switch and is_last)
        send(self._state, self._thread, dsd, wavelet, self._operation.at)

    def _send_rest(self, dsd: FabricDsd) -> None:
        """Send the half of a packed wavelet that an early end leaves."""
        wavelet = Wavelet(dsd.color, self._to_send[0], dsd.is_control)
        send(self._state, self._thread, dsd, wavelet, self._operation.at)

    def _packs(self, dsd: FabricDsd) -> bool:
        return dsd.packed and self._is_narrow

    def _width(self, place: int) -> int:
        """Words of an element of the operand at a place."""
        op = self._operation.op
        return (op.source_elements[place - 1] if place else op.element).words

    def _tell_ring(self, was_found_so: bool, task: int | None) -> None:
        self._state.wake(self._thread.clock + 1)
        if was_found_so and task is not None:
            self._state.activate(task, self._thread.clock, self._thread)

    def _tell_control(self) -> None:
        state, thread = self._state, self._thread
        color = next(dsd.color for dsd in self._inputs.values() if self._is_control(dsd.color))
        state.fabric.take(state.index, color, thread.clock)
        told = self._operation.config.on_control
        if told is not None and told.activate is not None:
            state.activate(told.activate, thread.clock, thread)
        if told is not None and told.unblock is not None:
            state.unblock(told.unblock, thread.clock)

    def _keep_length(self) -> None:
        """What is left to do stays in the FIFO's length, where it has one."""
        assert self._ring is not None
        assert self._total is not None
        place, ring = self._ring
        if place and ring.read_length:
            ring.read_length = self._total - self._done
        elif not place and ring.write_length:
            ring.write_length = self._total - self._done


def send(
    state: State, thread: Thread, dsd: FabricDsd, wavelet: Wavelet, at: Location | None
) -> None:
    """Put one word on its way at the thread's clock."""
    fabric: Fabric = state.fabric
    try:
        fabric.put(state.index, output_queue(dsd), wavelet, thread.clock)
    except UnroutedError as fault:
        raise state.error(
            f"a wavelet of color {dsd.color} cannot leave: {fault.message},", thread, at
        ) from fault
