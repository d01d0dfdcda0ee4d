"""DSD operations with fabric operands: they go on as words arrive and as there is room to send.

An operation of a group is carried out for those PEs that can go on, all at once where they are at
the same element. Words are processed in cycles `t_i = max(t_(i-1) + 1, arrival_i, room_i)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import Location
from waferc_runtime.builtins.dsd import Compute
from waferc_runtime.csl.core import DsdConfig, OnControl
from waferc_runtime.vector.access import Access
from waferc_runtime.vector.channel import Outlet, Words
from waferc_runtime.vector.clock import Clock, every
from waferc_runtime.vector.dsr import Save
from waferc_runtime.vector.fifo import FifoStream
from waferc_runtime.vector.indexed import Indexed
from waferc_runtime.vector.lanes import Indices, Lanes, alike
from waferc_runtime.vector.news import sorted_pes
from waferc_runtime.vector.occupancy import NOTHING, Holdings
from waferc_runtime.vector.ports import (
    Captured,
    Dest,
    Port,
    Todo,
    values_of,
)
from waferc_runtime.vector.results import leave, write
from waferc_runtime.vector.state import ClassState
from waferc_runtime.vector.when import Times, When, steadily, words_at

AT_ONCE = 1 << 20  # elements, over all PEs, that are processed at once
ENDLESS = 1 << 40  # elements of an operation that never ends

Array = NDArray[Any]
Told = tuple[int, Indices | None]  # a color, and the PEs it matters to (None: any)
Source = Port | Access | Indexed | Array


@dataclass(eq=False, slots=True)
class Transfer:
    """An operation under way on PEs of a group that differ in nothing but bases and lengths.

    `positions` are the PEs' places in the group that issued it. `total`, `done` count elements;
    `next` is the first cycle in which the next step can be processed. A step takes in `step`
    elements (2 where all operands pack two into a word) and `pace` cycles at least, of which
    `delay` pass before its result is sent. `unit` elements stay together: those of a word.
    `ends_at_fifo`: it ends where a FIFO is found empty or full.
    """

    state: ClassState
    lanes: Lanes
    pes: Indices  # [pe] numbers on the wafer
    positions: Indices  # [pe]
    compute: Compute
    dest: Dest
    sources: Sequence[Source]
    total: Times  # [pe] elements
    done: Times  # [pe] elements
    next: Times  # [pe] cycle
    step: int
    pace: int
    delay: int
    config: DsdConfig
    place: Location | None
    name: str  # of the operation
    function: str
    finished: Callable[[Transfer, Indices], None]
    work: Callable[[int], None]  # told how many elements were processed
    microthread: int
    ends_at_fifo: bool = False
    uses: Holdings = NOTHING
    saves: Sequence[Save] = ()
    may_promise: bool = True  # something has changed that promises depend on
    some: list[Indices] = field(default_factory=lambda: [])  # places that could go on in part
    wants_room: bool = False  # somewhere there are words that cannot be sent yet
    taken: list[Told] = field(default_factory=lambda: [])  # from whom words were taken
    sent: list[Told] = field(default_factory=lambda: [])  # to whom
    promised: list[Told] = field(default_factory=lambda: [])  # to whom taking them is promised
    is_stopped: bool = False  # those who finish now were ended by a control wavelet
    inputs: list[Port] = field(init=False)  # fabric sources
    ports: list[Port] = field(init=False)  # all fabric operands and FIFOs
    unit: int = field(init=False)
    was_cut: NDArray[np.bool_] = field(init=False)  # [pe] where a FIFO ended it
    begun: Times = field(init=False)  # [pe] the cycle of its start
    _lowest: int = 0
    _left: int = field(init=False)  # PEs on which it is not over
    _places: NDArray[np.int32] | None = None  # by PE number from the first one on, -1: none
    _todo_now: Todo | None = None
    _whole_outlet: Outlet | None = None

    def __post_init__(self) -> None:
        self.inputs = [source for source in self.sources if isinstance(source, Port)]
        self.ports = [*self.inputs, *([self.dest] if isinstance(self.dest, Port) else [])]
        self.unit = max((port.per_word for port in self.ports), default=1)
        self.was_cut = np.zeros(len(self.total), np.bool_)
        self.begun = self.next.copy()
        self._left = int(np.count_nonzero(self.done < self.total))
        # what belongs to a PE lies together: chains of PEs visit few, far from each other
        book = np.empty((4, len(self.total)), np.int64, order="F")
        book[0], book[1], book[2] = self.total, self.done, self.next
        self.total, self.done, self.next = book[:3]

    @property
    def fifo(self) -> tuple[FifoStream, bool] | None:
        """The FIFO among its operands, and whether that is a source."""
        for port in self.ports:
            if port.fifo is not None:
                return port.fifo, port is not self.dest
        return None

    @property
    def told(self) -> list[DsdConfig | OnControl]:
        """Whom those tell who finish now."""
        stop = self.config.on_control
        return [self.config, stop] if self.is_stopped and stop is not None else [self.config]

    @property
    def is_open(self) -> bool:
        """Whether it is not over somewhere."""
        return self._left > 0

    @property
    def could_go_on(self) -> bool:
        """Whether it could somewhere, in part."""
        return bool(self.some)

    def places_of(self, pes: Indices) -> Indices:
        """Places of these PEs, ascending, where it is not over."""
        places = self.place_of(pes)
        return self._still_open(np.sort(places[places >= 0]))

    def place_of(self, pes: Indices) -> Indices:
        """The place of each of these PEs, -1 where it has none."""
        if self._places is None:
            self._lowest = int(self.pes.min())
            # one place more, for all that are beyond
            self._places = np.full(int(self.pes.max()) - self._lowest + 2, -1, np.int32)
            self._places[self.pes - self._lowest] = np.arange(len(self.pes))
        beyond = len(self._places) - 1
        return self._places[(pes - self._lowest).clip(-1, beyond)].astype(np.intp)

    def places_of_some(self) -> Indices:
        """Places where it could go on in part, ascending."""
        return self._still_open(sorted_pes(self.some))

    @property
    def outlet_color(self) -> int | None:
        """The color that it sends on."""
        return self.dest.stream.color if isinstance(self.dest, Port) else None

    def outcome(self, places: Indices) -> Array:
        """What came of it on some PEs: the element received, or whether it came to its end."""
        if isinstance(self.dest, Captured):
            return self.dest.values[places]
        return ~self.was_cut[places]

    def blank_outcome(self, pes: int) -> Array:
        """Room for the outcomes on so many PEs."""
        dtype = self.dest.values.dtype if isinstance(self.dest, Captured) else np.bool_
        return np.zeros(pes, dtype)

    def advance(self, in_part: bool, where: Indices | None = None) -> bool:
        """Carry it out where it can be brought to its end, or, `in_part`, where it can go on.

        Only places in `where` are looked at, if given: elsewhere nothing has changed.

        Returns:
            Whether it was anywhere.
        """
        if self.config.on_control is None:
            return self._advance(in_part, where)
        went_on = self._advance(in_part, None)
        return self._stop_at_control() or went_on

    def _advance(self, in_part: bool, where: Indices | None) -> bool:
        if where is None:
            self.wants_room = False
        if where is None or in_part:
            self.some = []
        todo = self._todo() if where is None else self._todo_at(where)
        if not len(todo.places):
            return False
        ready, wanted = todo.left, todo.left
        for port, columns in zip(self.inputs, todo.columns, strict=True):
            here = port.stream.available(columns)
            if todo.is_cut_off is not None:
                here = np.where(todo.is_cut_off, 0, here)
            if self.config.on_control is not None:
                ahead = port.stream.data_ahead(columns, here)
                is_last = ahead < here
                here = ahead * port.per_word
                wanted = np.where(is_last, np.minimum(wanted, here), wanted)
            elif port.per_word > 1:
                here = here * port.per_word
            ready = np.minimum(ready, here)
        ready = self._whole(ready, todo.left)
        may = ready > 0 if in_part else (ready == wanted) & (ready > 0)
        count = np.count_nonzero(may)
        if isinstance(self.dest, Port) and (count or ready.any()):
            assert todo.outlet is not None
            room = self.dest.stream.credit(todo.outlet) * self.dest.per_word
            self.wants_room |= bool((room < ready).any())
            ready = self._whole(np.minimum(ready, room), todo.left)
            may = ready > 0 if in_part else (ready == wanted) & (ready > 0)
            count = np.count_nonzero(may)
        if count:
            self._go_on(todo.places[may], ready[may])
        if count < len(may):
            some = todo.places[~may & (ready > 0)]
            if len(some):
                self.some.append(some)
            if self.may_promise or in_part:
                self._promise(todo, where, bool(count))
        self.may_promise = False
        return bool(count)

    def _whole(self, elements: Times, left: Times) -> Times:
        """So many elements as do not tear words apart, except behind the last."""
        if self.unit == 1:
            return elements
        return np.where(elements >= left, left, elements - elements % self.unit)

    def _stop_at_control(self) -> bool:
        """End it where a control wavelet comes next on an input; whether it was anywhere."""
        stopped = False
        for port in self.inputs:
            todo = self._todo()
            columns = port.stream.columns(self.pes[todo.places])
            here = columns >= 0
            here[here] = port.stream.available(columns[here]) > 0
            if not here.any():
                continue
            control = port.stream.controls(columns[here], 1)
            if control is None:
                continue
            here[here] = control[0]
            chosen, columns = todo.places[here], columns[here]
            _, arrival = port.stream.peek(columns, 1)
            times = np.maximum(arrival.begin(), self.next[chosen])
            port.stream.consume(columns, steadily(times, 1, 1))
            self.taken.append((port.stream.color, None))
            self.next[chosen] = times
            self.total[chosen] = self.done[chosen]  # what was done stays known
            self._todo_now = None
            self._left -= len(chosen)
            self.is_stopped = stopped = True
            self.finished(self, chosen)
            self.is_stopped = False
        return stopped

    def _go_on(self, chosen: Indices, elements: Times) -> None:
        """Process so many elements on the PEs at `chosen`."""
        key = (self.done[chosen] << 20) + elements
        if (key == key[0]).all():
            self._process_in_parts(chosen, int(elements[0]))
        else:
            for same in alike(key[np.newaxis]):
                self._process_in_parts(chosen[same], int(elements[same][0]))
        self._todo_now = None
        through = chosen[self.done[chosen] >= self.total[chosen]]
        self._left -= len(through)
        if len(through):
            self.finished(self, through)

    def _process_in_parts(self, chosen: Indices, count: int) -> None:
        """Process elements so few at once that what is computed in between takes little space."""
        step = count
        if self.state.has_data and self.fifo is None:
            step = max(self.unit, AT_ONCE // len(chosen) // self.unit * self.unit)
        for first in range(0, count, step):
            self._process(chosen, min(step, count - first))

    def _todo(self) -> Todo:
        """What is left to do, worked out once until something is done."""
        if self._todo_now is not None:
            return self._todo_now
        self._todo_now = self._todo_at(np.flatnonzero(self.done < self.total))
        return self._todo_now

    def _todo_at(self, places: Indices) -> Todo:
        """What is left to do at some places."""
        blocked = self.state.blocked_microthreads.get(self.microthread)
        if blocked is not None:
            places = places[~blocked[self.lanes.at(places).index]]
        left = self.total[places] - self.done[places]
        columns = [port.stream.columns(self.pes[places]) for port in self.inputs]
        is_cut_off: NDArray[np.bool_] | None = None
        for column in columns:
            if (column < 0).any():
                cut_off = column < 0
                is_cut_off = cut_off if is_cut_off is None else is_cut_off | cut_off
        outlet: Outlet | None = None
        if isinstance(self.dest, Port):
            outlet = self.whole_outlet().of(places)
        return Todo(places, left, columns, is_cut_off, outlet, self.next[places])

    def whole_outlet(self) -> Outlet:
        """The ways of words from all its PEs."""
        assert isinstance(self.dest, Port)
        if self._whole_outlet is None:
            self._whole_outlet = self.dest.stream.outlet(self.pes, self.dest.output_depth)
        return self._whole_outlet

    def look_again(self) -> None:
        """Forget what was worked out about words to come."""
        self._todo_now = None

    def hold_back(self, lanes: Lanes, cycles: Times) -> None:
        """Its microthread may go on from `cycles` [lane] on, on some PEs of the class."""
        since = np.zeros(self.state.count, np.int64)
        since[lanes.index] = cycles
        self.next = np.maximum(self.next, since[self.lanes.index])
        self._todo_now = None

    def is_blocked(self, position: int) -> bool:
        """Whether the microthread is blocked on the PE (by its place here)."""
        blocked = self.state.blocked_microthreads.get(self.microthread)
        return blocked is not None and bool(blocked[self.lanes.indices()[position]])

    def waits_for(self, position: int) -> tuple[int, bool]:
        """The color that the PE (by its place here) waits for, and whether it is an input."""
        for port in self.inputs:
            column = port.stream.columns(self.pes[position : position + 1])
            if column[0] < 0 or port.stream.available(column)[0] <= 0:
                return port.stream.color, True
        if isinstance(self.dest, Port):
            return self.dest.stream.color, False
        return self.inputs[0].stream.color, True  # the microthread is blocked

    def _process(self, chosen: Indices, count: int) -> None:
        """Process the next `count` elements of the PEs at `chosen`, which are equally far."""
        done = int(self.done[chosen[0]])
        start = self.next[chosen]
        steps = -(-count // self.step)
        clock = Clock(start, steps, self.pace)
        received: list[Words] = []
        columns = [port.stream.columns(self.pes[chosen]) for port in self.inputs]
        for port, column in zip(self.inputs, columns, strict=True):
            bits, arrival = port.stream.peek(column, -(-count // port.per_word))
            received.append(bits)
            clock.wait(arrival, port.per_word // self.step, port.fifo is not None)
        has_data = self.state.has_data
        values = values_of(self.sources, received, chosen, done, count, has_data)
        if isinstance(self.dest, Port):
            ratio = self.dest.per_word // self.step
            words = -(-count // self.dest.per_word)
            begin = clock.first() + self.delay + ratio - 1
            room = self.dest.stream.not_before(self.whole_outlet().of(chosen), begin, words)
            if room is not None:
                clock.wait_to_send(room.later(-self.delay), ratio, self.dest.fifo is not None)
        if self.fifo is not None and not self._meet_fifo(chosen, count, clock):
            return
        times = clock.times
        lanes = self.lanes.at(chosen)
        send = partial(self._send, chosen, done + count, times)
        carry_out = write if has_data else leave
        carry_out(self.dest, self.compute, chosen, done, count, lanes, values, send)
        for port, column in zip(self.inputs, columns, strict=True):
            port.stream.consume(column, every(times, port.per_word // self.step))
            self.taken.append((port.stream.color, port.stream.senders_of(column)))
        self._note(chosen, count, times)

    def end(self, chosen: Indices, count: int, times: When) -> None:
        """It comes to its end on the PEs at `chosen` with `count` elements processed at `times`."""
        self._note(chosen, count, times)
        self._todo_now = None
        self._left -= len(chosen)
        self.finished(self, chosen)

    def _note(self, chosen: Indices, count: int, times: When) -> None:
        self.done[chosen] += count
        self.next[chosen] = times.end() + self.pace
        self.work(count * len(chosen))

    # ---- FIFOs -----------------------------------------------------------------------------------

    def _meet_fifo(self, chosen: Indices, count: int, clock: Clock) -> bool:
        """Tell who waits for a FIFO; False where it ends the operation on some PEs before.

        Those have been carried out as far as they go then, and so have the others.
        """
        assert self.fifo is not None
        fifo, is_source = self.fifo
        found = clock.found_in_vain()
        if not found.any():
            return True
        if not self.ends_at_fifo:
            fifo.waited(self.lanes.at(chosen), is_source, found, clock.fifo_times() - 1)
            return True
        stops = found.any(axis=0)
        first = np.where(stops, found.argmax(axis=0), count)
        for most in np.unique(first):
            same = first == most
            if most:
                self._process(chosen[same], int(most))
            if most < count:
                # the push or pop that it came too early for is known, and who is told of it
                here, ended = self.lanes.at(chosen[same]), clock.fifo_times()[most : most + 1, same]
                fifo.waited(here, is_source, np.ones(ended.shape, np.bool_), ended - 1)
                cycles = np.maximum(self.next[chosen[same]], clock.others(same, most))
                self._cut(chosen[same], cycles)
        return False

    def _cut(self, chosen: Indices, cycles: Times) -> None:
        """End the operation at a FIFO that is empty or full."""
        assert self.fifo is not None
        fifo, is_source = self.fifo
        lanes = self.lanes.at(chosen)
        length = fifo.length["read" if is_source else "write"]
        left = self.total[chosen] - self.done[chosen]
        length[lanes.index] = np.where(length[lanes.index] > 0, left, 0)
        self.total[chosen] = self.done[chosen]
        self.was_cut[chosen] = True
        self.next[chosen] = cycles

    def fifo_in_the_way(self) -> tuple[Indices, Times] | None:
        """Where nothing but a FIFO holds the operation up, and since when; None if nowhere."""
        if not self.ends_at_fifo:
            return None
        todo = self._todo()
        able = np.ones(len(todo.places), np.bool_)
        since = todo.start.copy()
        for port, columns in zip(self.inputs, todo.columns, strict=True):
            here = (columns >= 0) & (port.stream.available(columns) > 0)
            if port.fifo is not None:
                able &= ~here
            else:
                able &= here
                since[here] = np.maximum(since[here], port.stream.head_arrival(columns[here]))
        if isinstance(self.dest, Port) and self.dest.fifo is None:
            assert todo.outlet is not None
            able &= self.dest.stream.credit(todo.outlet) > 0
        return (todo.places[able], since[able]) if able.any() else None

    def end_at_fifo(self, places: Indices, cycles: Times) -> None:
        """End it on some PEs, where the FIFO is found empty or full."""
        assert self.fifo is not None
        fifo, is_source = self.fifo
        fifo.found(self.lanes.at(places), is_source)
        self._cut(places, cycles)
        self._todo_now = None
        self._left -= len(places)
        self.finished(self, places)

    # ---- results ---------------------------------------------------------------------------------

    def _send(self, chosen: Indices, done: int, times: When, port: Port, bits: Words) -> None:
        """Send words; behind them `done` elements are processed, the last of them at `times`."""
        ratio = port.per_word // self.step
        if ratio > 1:
            last = np.minimum(np.arange(len(bits)) * ratio + ratio - 1, len(times) - 1)
            times = words_at(times.starting_at(last))
        flips = self.total[chosen] == done if port.advances_switch else None
        sent = times.later(self.delay)
        outlet = self.whole_outlet().of(chosen)
        port.stream.send(outlet, bits, sent, port.sends_control, flips)
        self.sent.append((port.stream.color, port.stream.reached(outlet)))

    def _promise(self, todo: Todo, where: Indices | None, has_gone_on: bool) -> None:
        """Tell senders how many words will be taken as they come, as far as that is sure.

        That is so if nothing but the words themselves can hold us up: the other operands are in
        memory, and where we send to there is room as fast as we can send.
        """
        if len(self.inputs) != 1 or self.pace != 1 or self.unit != self.step:
            return
        if self.ends_at_fifo or self.total.max() >= ENDLESS:
            return
        if has_gone_on:
            todo = self._todo() if where is None else self._todo_at(self._still_open(where))
        left, columns, start = todo.left, todo.columns[0], todo.start
        able = None if todo.is_cut_off is None else ~todo.is_cut_off
        words = -(-left // self.unit)
        if isinstance(self.dest, Port):
            assert todo.outlet is not None
            room = self.dest.stream.smooth_credit(todo.outlet, start)
            words = np.minimum(words, room)
            able = words > 0 if able is None else able & (words > 0)
        if able is not None and not able.all():
            words, columns, start = words[able], columns[able], start[able]
        stream = self.inputs[0].stream
        if not len(words):
            return
        is_news = stream.promise(columns, words, start)
        if is_news.any():
            self.promised.append((stream.color, stream.senders_of(columns[is_news])))

    def _still_open(self, places: Indices) -> Indices:
        return places[self.done[places] < self.total[places]]
