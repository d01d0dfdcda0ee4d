"""DSD operations with fabric operands: they go on as words arrive and as there is room to send.

An operation of a group is carried out for those PEs that can go on, all at once where they are at
the same element. Words are processed in cycles `t_i = max(t_(i-1) + 1, arrival_i, room_i)`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import Location
from waferc_runtime.builtins.dsd import Compute
from waferc_runtime.builtins.scalar import DTYPES
from waferc_runtime.csl.core import DsdConfig, OnControl, Scalar
from waferc_runtime.vector.access import Access
from waferc_runtime.vector.channel import Channel, Outlet
from waferc_runtime.vector.dsr import Save
from waferc_runtime.vector.elementwise import apply
from waferc_runtime.vector.forgetful import is_computed, is_known
from waferc_runtime.vector.lanes import Indices, Lanes
from waferc_runtime.vector.memory import Block, OutOfBounds
from waferc_runtime.vector.state import ClassState
from waferc_runtime.vector.stream import no_words
from waferc_runtime.vector.unknown import UNKNOWN, NeedsData
from waferc_runtime.vector.when import Times, When, processed, steadily

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Port:
    """A fabric operand: the stream, and the depth of the queue that words leave by."""

    stream: Channel
    element: Scalar
    output_depth: int = 0
    sends_control: bool = False
    advances_switch: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Running:
    """A destination behind a pointer: the result so far [pe], which stands for the first source.

    With `is_last` it is no fold: the last result remains.
    """

    access: Access
    value: Array
    is_last: bool = False


Source = Port | Access | Array
Dest = Port | Access | Running | None


@dataclass(frozen=True, slots=True, eq=False)
class Todo:
    """What is left of a transfer: places of PEs, words, columns of inputs, ways out, next cycle."""

    places: Indices  # [open]
    words: Times  # [open]
    columns: list[Indices]  # [open], for each input
    is_cut_off: NDArray[np.bool_] | None  # [open] where some input reaches no ramp
    outlet: Outlet | None
    start: Times  # [open]


@dataclass(eq=False, slots=True)
class Transfer:
    """An operation under way on PEs of a group that differ in nothing but bases and lengths.

    `positions` are the PEs' places in the group that issued it. `total`, `done` count elements;
    `next` is the first cycle in which the next word can be processed; `pace` are the cycles that
    an element takes at least, of which `delay` pass before its result is sent.
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
    per_word: int
    pace: int
    delay: int
    config: DsdConfig
    place: Location | None
    function: str
    finished: Callable[[Transfer, Indices], None]
    work: Callable[[int], None]  # told how many elements were processed
    microthread: int
    saves: Sequence[Save] = ()
    may_promise: bool = True  # something has changed that promises depend on
    has_promised: bool = False
    could_go_on: bool = False  # somewhere, in part
    wants_room: bool = False  # somewhere there are words that cannot be sent yet
    is_open: bool = True
    is_stopped: bool = False  # those who finish now were ended by a control wavelet
    inputs: list[Port] = field(init=False)  # fabric sources
    ports: list[Port] = field(init=False)  # all fabric operands
    begun: Times = field(init=False)  # [pe] the cycle of its start
    _todo_now: Todo | None = None
    _whole_outlet: Outlet | None = None

    def __post_init__(self) -> None:
        self.inputs = [source for source in self.sources if isinstance(source, Port)]
        self.ports = [*self.inputs, *([self.dest] if isinstance(self.dest, Port) else [])]
        self.begun = self.next.copy()

    @property
    def told(self) -> list[DsdConfig | OnControl]:
        """Whom those tell who finish now."""
        stop = self.config.on_control
        return [self.config, stop] if self.is_stopped and stop is not None else [self.config]

    @property
    def outlet_color(self) -> int | None:
        """The color that it sends on."""
        return self.dest.stream.color if isinstance(self.dest, Port) else None

    def advance(self, in_part: bool) -> bool:
        """Carry it out where it can be brought to its end, or, `in_part`, where it can go on.

        Returns:
            Whether it was anywhere.
        """
        if self.config.on_control is None:
            return self._advance(in_part)
        went_on = self._advance(in_part)
        return self._stop_at_control() or went_on

    def _advance(self, in_part: bool) -> bool:
        self.could_go_on = self.wants_room = False
        todo = self._todo()
        if not len(todo.places):
            return False
        ready, wanted = todo.words, todo.words
        for port, columns in zip(self.inputs, todo.columns, strict=True):
            here = port.stream.available(columns)
            if todo.is_cut_off is not None:
                here = np.where(todo.is_cut_off, 0, here)
            if self.config.on_control is not None:
                ahead = port.stream.data_ahead(columns, here)
                wanted = np.where(ahead < here, np.minimum(wanted, ahead), wanted)
                here = ahead
            ready = np.minimum(ready, here)
        may = ready > 0 if in_part else (ready == wanted) & (ready > 0)
        count = np.count_nonzero(may)
        if isinstance(self.dest, Port) and (count or ready.any()):
            assert todo.outlet is not None
            room = self.dest.stream.credit(todo.outlet)
            self.wants_room = bool((room < ready).any())
            ready = np.minimum(ready, room)
            may = ready > 0 if in_part else (ready == wanted) & (ready > 0)
            count = np.count_nonzero(may)
        if count:
            self._go_on(todo.places[may], ready[may])
        if count < len(may):
            self.could_go_on = bool((ready[~may] > 0).any()) if count else bool(ready.any())
            if self.may_promise or in_part:
                self._promise()
        self.may_promise = False
        return bool(count)

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
            self.next[chosen] = times
            self.total[chosen] = self.done[chosen]  # what was done stays known
            self._todo_now = None
            self.is_open = bool((self.done < self.total).any())
            self.is_stopped = stopped = True
            self.finished(self, chosen)
            self.is_stopped = False
        return stopped

    def _go_on(self, chosen: Indices, words: Times) -> None:
        """Process so many words on the PEs at `chosen`."""
        left = self.total[chosen] - self.done[chosen]
        elements = np.minimum(words * self.per_word, left)
        key = (self.done[chosen] << 20) + elements
        if (key == key[0]).all():
            self._process(chosen, int(elements[0]))
        else:
            for value in np.unique(key):
                same = key == value
                self._process(chosen[same], int(elements[same][0]))
        self._todo_now = None
        self.is_open = bool((self.done < self.total).any())
        through = chosen[elements == left]
        if len(through):
            self.finished(self, through)

    def _todo(self) -> Todo:
        """What is left to do, worked out once until something is done."""
        if self._todo_now is not None:
            return self._todo_now
        places = np.flatnonzero(self.done < self.total)
        words = -(-(self.total[places] - self.done[places]) // self.per_word)
        columns = [port.stream.columns(self.pes[places]) for port in self.inputs]
        is_cut_off: NDArray[np.bool_] | None = None
        for column in columns:
            if (column < 0).any():
                cut_off = column < 0
                is_cut_off = cut_off if is_cut_off is None else is_cut_off | cut_off
        outlet: Outlet | None = None
        if isinstance(self.dest, Port):
            outlet = self._outlet(places)
        self._todo_now = Todo(places, words, columns, is_cut_off, outlet, self.next[places])
        return self._todo_now

    def _outlet(self, chosen: Indices) -> Outlet:
        """The ways of words from the PEs at `chosen`."""
        assert isinstance(self.dest, Port)
        if self._whole_outlet is None:
            self._whole_outlet = self.dest.stream.outlet(self.pes, self.dest.output_depth)
        return self._whole_outlet.of(chosen)

    def look_again(self) -> None:
        """Forget what was worked out about words to come."""
        self._todo_now = None

    def waits_for(self, position: int) -> tuple[int, bool]:
        """The color that the PE (by its place here) waits for, and whether it is an input."""
        for port in self.inputs:
            column = port.stream.columns(self.pes[position : position + 1])
            if column[0] < 0 or port.stream.available(column)[0] <= 0:
                return port.stream.color, True
        assert isinstance(self.dest, Port)
        return self.dest.stream.color, False

    def _process(self, chosen: Indices, count: int) -> None:
        """Process the next `count` elements of the PEs at `chosen`, which are equally far."""
        done = int(self.done[chosen[0]])
        words = -(-count // self.per_word)
        lanes = self.lanes.at(chosen)
        start = self.next[chosen]
        given: list[When] = []
        values: list[Any] = []
        columns: list[tuple[Channel, Indices]] = []
        for source in self.sources:
            if isinstance(source, Port):
                column = source.stream.columns(self.pes[chosen])
                bits, arrival = source.stream.peek(column, words)
                columns.append((source.stream, column))
                has_data = self.state.has_data
                values.append(
                    unpack(bits, source.element, self.per_word, count) if has_data else UNKNOWN
                )
                given.append(arrival)
            elif isinstance(source, Access):
                values.append(self._part(source, chosen, done, count))
            else:
                is_array = source is not UNKNOWN and source.ndim
                values.append(source[chosen] if is_array else source)
        if isinstance(self.dest, Port):
            outlet = self._outlet(chosen)
            begin = start
            for arrival in given:
                begin = np.maximum(begin, arrival.begin())
            room = self.dest.stream.not_before(outlet, begin + self.delay, words)
            if room is not None:
                given.append(room.later(-self.delay))
        times = processed(start, self.pace, words, given)
        if self.state.has_data:
            self._write(chosen, done, count, lanes, values, times)
        else:
            self._leave(chosen, done, count, lanes, values, times)
        for stream, column in columns:
            stream.consume(column, times)
        self.done[chosen] += count
        self.next[chosen] = times.end() + self.pace
        self.work(count * len(chosen))

    def _write(
        self,
        chosen: Indices,
        done: int,
        count: int,
        lanes: Lanes,
        values: list[Any],
        times: When,
    ) -> None:
        match self.dest:
            case Access():
                dest = self._part(self.dest, chosen, done, count)
                if isinstance(dest, Access) and not any(isinstance(v, Indexed) for v in values):
                    apply(self.compute, dest, values, lanes)
                else:
                    _apply_indexed(self.compute, dest, values, lanes, count)
                return
            case _:
                arrays = [_read(value, lanes) for value in values]
        match self.dest:
            case Port():
                result = self.compute(*arrays)
                if result.shape != (count, len(chosen)):
                    result = np.broadcast_to(result, (count, len(chosen)))
                bits = pack(result, self.dest.element, self.per_word)
                self._send(self.dest, chosen, bits, done + count, times.later(self.delay))
            case Running():
                self._run_on(self.dest, chosen, count, lanes, values)
            case None:
                self.compute(*arrays)

    def _leave(
        self,
        chosen: Indices,
        done: int,
        count: int,
        lanes: Lanes,
        values: list[Any],
        times: When,
    ) -> None:
        """What a run without data leaves behind: words of no value, memory that is not known."""
        match self.dest:
            case Port() as port:
                known = all(is_known(v.access if isinstance(v, Indexed) else v) for v in values)
                if known and port.stream.has_data:
                    self._write(chosen, done, count, lanes, values, times)
                    return
                if port.sends_control:
                    raise NeedsData("what a control wavelet says")
                words = no_words(-(-count // self.per_word), len(chosen))
                self._send(port, chosen, words, done + count, times.later(self.delay))
            case Access() as dest:
                self._part(dest, chosen, done, count)
                is_computed(dest, [UNKNOWN], lanes)
            case Running(place):
                is_computed(place, [UNKNOWN], lanes)
            case None:
                pass

    def _send(self, port: Port, chosen: Indices, bits: Array, done: int, times: When) -> None:
        """Send words; behind them `done` elements are processed."""
        flips = self.total[chosen] == done if port.advances_switch else None
        port.stream.send(self._outlet(chosen), bits, times, port.sends_control, flips)

    def _run_on(
        self, dest: Running, chosen: Indices, count: int, lanes: Lanes, values: list[Any]
    ) -> None:
        """Take `count` elements into the running result."""
        place = dest.access
        if isinstance(place.words, np.ndarray):
            words = place.words[chosen]
            place = Access(place.block, words, (), (), place.element)
        sees_itself = any(isinstance(v, Access) and v.overlaps(place) for v in values)
        arrays = [_read(value, lanes) for value in values]
        total = dest.value[chosen]
        for step in range(count):
            if sees_itself and step:
                place.write(lanes, total)
                arrays = [_read(value, lanes) for value in values]
            row = [array[step] if array.ndim == 2 else array for array in arrays]
            total = self.compute(*(row if dest.is_last else (total, *row[1:])))
        dest.value[chosen] = total
        place.write(lanes, total)

    def _part(self, access: Access, chosen: Indices, done: int, count: int) -> Access | Indexed:
        """Elements `done` to `done + count` of a memory operand, on the chosen PEs."""
        words = access.words
        if isinstance(words, np.ndarray):
            words = words[chosen]
        if len(access.extents) == 1:
            stride = access.strides[0]
            start = words + done * stride
            part = Access(access.block, start, (stride,), (count,), access.element)
            with _on(chosen):
                part.check()
            return part
        if not self.state.has_data:
            with _on(chosen):
                Access(access.block, words, access.strides, access.extents, access.element).check()
            return access
        offsets = access.offsets().reshape(-1)[done : done + count]
        size = access.element.words
        with _on(chosen):
            access.block.check(words, int(offsets.min()), int(offsets.max()) + size)
        return Indexed(access, words, offsets)

    def _promise(self) -> None:
        """Tell senders how many words will be taken as they come, as far as that is sure.

        That is so if nothing but the words themselves can hold us up: the other operands are in
        memory, and where we send to there is room as fast as we can send.
        """
        if len(self.inputs) != 1 or self.pace != 1:
            return
        todo = self._todo()
        words, columns, start = todo.words, todo.columns[0], todo.start
        able = None if todo.is_cut_off is None else ~todo.is_cut_off
        if isinstance(self.dest, Port):
            assert todo.outlet is not None
            room = self.dest.stream.smooth_credit(todo.outlet, start)
            words = np.minimum(words, room)
            able = words > 0 if able is None else able & (words > 0)
        if able is not None and not able.all():
            words, columns, start = words[able], columns[able], start[able]
        if len(words) and self.inputs[0].stream.promise(columns, words, start):
            self.has_promised = True


@contextmanager
def _on(chosen: Indices) -> Generator[None, Any, None]:
    """Name the PE by its place in the whole operation when an access leaves its object."""
    try:
        yield
    except OutOfBounds as fault:
        fault.position = int(chosen[fault.position or 0])
        raise


@dataclass(frozen=True, slots=True, eq=False)
class Indexed:
    """Some elements of a multi-dimensional access, by their offsets in words."""

    access: Access
    words: int | Array
    offsets: NDArray[np.int64]  # [element]

    def read(self, lanes: Lanes) -> Array:
        """The elements [element, lane]."""
        return self.access.block.gather(self.words, self.offsets, self.access.element, lanes)


def _read(value: Any, lanes: Lanes) -> Array:
    return value.read(lanes) if isinstance(value, Access | Indexed) else np.asarray(value)


def _apply_indexed(
    compute: Compute,
    dest: Access | Indexed,
    values: Sequence[Any],
    lanes: Lanes,
    count: int,
) -> None:
    """`dest[i] = compute(values[i]...)` in order, where some operand is not regular."""
    if isinstance(dest, Access):
        dest = Indexed(dest, dest.words, dest.offsets().reshape(-1))
    block, element = dest.access.block, dest.access.element
    is_plain = len(np.unique(dest.offsets)) == count and not any(
        _is_in(value, block) and not (isinstance(value, Indexed) and value.access is dest.access)
        for value in values
    )
    if is_plain:
        arrays = [_read(value, lanes) for value in values]
        result = np.broadcast_to(compute(*arrays), (count, lanes.count))
        block.scatter(dest.words, dest.offsets, element, lanes, result)
        return
    for step in range(count):
        row: list[Array] = []
        for value in values:
            array = _read(value, lanes)
            row.append(array[step] if array.ndim == 2 else array)
        block.store(dest.words + int(dest.offsets[step]), element, lanes, compute(*row))


def _is_in(value: Any, block: Block) -> bool:
    match value:
        case Access():
            return value.block is block
        case Indexed():
            return value.access.block is block
        case _:
            return False


def pack(values: Array, element: Scalar, per_word: int) -> NDArray[np.uint32]:
    """Elements [n, pe] as wavelets [ceil(n / per_word), pe]; 16-bit ones fill low halves first."""
    typed = np.ascontiguousarray(values, DTYPES[element])
    if element.words == 2:
        return typed.view(np.uint32)
    halves = typed.view(np.uint16).astype(np.uint32)
    if per_word == 1:
        return halves
    if len(halves) % 2:
        halves = np.concatenate([halves, np.zeros_like(halves[:1])])
    return halves[0::2] | (halves[1::2] << np.uint32(16))


def unpack(words: NDArray[np.uint32], element: Scalar, per_word: int, count: int) -> Array:
    """The inverse of `pack`: `count` elements [count, pe]."""
    if element.words == 2:
        return np.ascontiguousarray(words).view(DTYPES[element])
    if per_word == 1:
        return (words & np.uint32(0xFFFF)).astype(np.uint16).view(DTYPES[element])
    halves = np.empty((2 * len(words), words.shape[1]), np.uint16)
    halves[0::2] = words & np.uint32(0xFFFF)
    halves[1::2] = words >> np.uint32(16)
    return halves[:count].view(DTYPES[element])
