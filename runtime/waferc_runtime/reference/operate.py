"""DSD operations, one element at a time, in memory and on the fabric.

The number of elements is that of the first source that is a DSD, else of the destination (1 if
all are scalars). A pointer as destination of two operands of which the first is a scalar folds:
`@faddh(p, s, d)` leaves `s + d[0] + d[1] + ...` in `p.*`; otherwise it keeps the last result.

Time: in memory only, setup and then width elements per cycle. With fabric operands element i is
processed at `max(t_(i-1) + 1, arrival_i)`, later if the output queue is full, and the operation
ends one cycle after its last element. Packed 16-bit operands move two elements per word and cycle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import Location
from waferc_runtime.builtins.dsd import DsdOp
from waferc_runtime.builtins.scalar import Uniform, from_item
from waferc_runtime.builtins.timing import memory_operation_cycles
from waferc_runtime.csl.core import Scalar
from waferc_runtime.reference.fabric import UnroutedError
from waferc_runtime.reference.memory import (
    Address,
    FabricDsd,
    MemoryDsd,
    OutsideObjectError,
    Value,
    decode,
    encode,
)
from waferc_runtime.reference.state import State
from waferc_runtime.reference.thread import Obstacle, Steps, Thread, Wait

_IMPLIED_QUEUES = -1  # queue of a color for which the program names none: -1 - color


def to_bits(value: Uniform, scalar: Scalar) -> int:
    """The bits of an element, as they travel in a wavelet."""
    words = encode(np.asarray([value], scalar.numpy), scalar)
    return sum(int(word) << (16 * place) for place, word in enumerate(words))


def from_bits(bits: int, scalar: Scalar) -> Uniform:
    """The element whose bits stand in the low end of a wavelet."""
    words = [(bits >> (16 * place)) & 0xFFFF for place in range(scalar.words)]
    return from_item(decode(np.asarray(words, np.uint16), scalar)[0])


def output_queue(dsd: FabricDsd) -> int:
    """The output queue of a fabout; one of its own for each color if it names none."""
    return _IMPLIED_QUEUES - dsd.color if dsd.queue is None else dsd.queue


@dataclass(frozen=True, slots=True)
class Operation:
    """A DSD operation with its operands evaluated."""

    op: DsdOp
    dest: Value
    sources: tuple[Value, ...]
    at: Location | None

    @property
    def operands(self) -> tuple[Value, ...]:
        return (self.dest, *self.sources)

    @property
    def fabric(self) -> list[FabricDsd]:
        """The operands on the fabric."""
        return [operand for operand in self.operands if isinstance(operand, FabricDsd)]

    def misuse(self) -> str | None:
        """What is wrong with the kinds of the operands; None if nothing is."""
        count = len(self.op.source_elements)
        if len(self.sources) != count:
            return f"{self.op.name} takes {count} sources and has {len(self.sources)}"
        for source in self.sources:
            if source is None or isinstance(source, Address):
                return f"{self.op.name} has a source that is neither a DSD nor a scalar"
            if isinstance(source, FabricDsd) and not source.is_input:
                return f"{self.op.name} reads from a fabout DSD"
        if isinstance(self.dest, FabricDsd):
            return f"{self.op.name} writes to a fabin DSD" if self.dest.is_input else None
        if not isinstance(self.dest, MemoryDsd | Address):
            return f"{self.op.name} has a destination that is neither a DSD nor a pointer"
        return None

    @property
    def length(self) -> int:
        """Uniform of elements."""
        for operand in (*self.sources, self.dest):
            if isinstance(operand, MemoryDsd | FabricDsd) and operand.length:
                return operand.length
        any_dsd = any(isinstance(o, MemoryDsd | FabricDsd) for o in self.operands)
        return 0 if any_dsd else 1


def operate(state: State, thread: Thread, operation: Operation) -> Steps[None]:
    """Run an operation to its end on the clock of `thread`."""
    count = operation.length
    begin = thread.clock
    running: list[Uniform] = []  # the result so far, where the destination folds
    if not operation.fabric:
        for index in range(count):
            _element(state, thread, operation, index, {}, running)
        thread.clock = begin + _memory_cycles(operation, count, state)
        return
    group = _elements_per_word(state, thread, operation)
    thread.clock = begin + state.machine.dsd_setup_cycles
    for start in range(0, count, group):
        members = range(start, min(start + group, count))
        yield from wait_for_fabric(state, thread, operation.fabric, start, count)
        words = {
            place: state.fabric.take(state.index, dsd.color, thread.clock)
            for place, dsd in enumerate(operation.operands)
            if isinstance(dsd, FabricDsd) and dsd.is_input
        }
        sent: list[int] = []
        for member in members:
            shift = 16 * (member - start)
            arrived = {place: bits >> shift for place, bits in words.items()}
            result = _element(state, thread, operation, member, arrived, running)
            if isinstance(operation.dest, FabricDsd):
                sent.append(to_bits(result, operation.op.element) << shift)
        if isinstance(operation.dest, FabricDsd):
            send(state, thread, operation.dest, sum(sent), operation.at)
        thread.clock += 1


def _memory_cycles(operation: Operation, count: int, state: State) -> int:
    op, dest = operation.op, operation.dest
    reads = [
        source.walk(element)
        for source, element in zip(operation.sources, op.source_elements, strict=True)
        if isinstance(source, MemoryDsd)
    ]
    write = dest.walk(op.element) if isinstance(dest, MemoryDsd) else None
    return int(memory_operation_cycles(op, count, state.machine, reads, write))


def wait_for_fabric(
    state: State, thread: Thread, operands: Sequence[FabricDsd], done: int, total: int
) -> Steps[None]:
    """Wait, from the thread's clock on, for one word of each input and room for each output."""
    earliest = thread.clock
    needed = Counter(dsd.color for dsd in operands if dsd.is_input)
    outputs = [dsd for dsd in operands if not dsd.is_input]
    while True:
        ready = earliest
        obstacle: Obstacle | None = None
        for color, count in needed.items():
            arrival = state.fabric.arrival(state.index, color, count)
            if arrival is None:
                obstacle = Obstacle(color, True, done, total)
            else:
                ready = max(ready, arrival)
        for dsd in outputs:
            if obstacle is None and not state.fabric.can_put(
                state.index, output_queue(dsd), state.wafer.now
            ):
                obstacle = Obstacle(dsd.color, False, done, total)
        if ready > state.wafer.now:
            yield Wait(ready, obstacle)
        elif obstacle is not None:
            yield Wait(None, obstacle)
        else:
            break
    thread.waited += state.wafer.now - earliest
    thread.clock = state.wafer.now


def send(state: State, thread: Thread, dsd: FabricDsd, bits: int, at: Location | None) -> None:
    """Put one word on its way at the thread's clock."""
    try:
        state.fabric.put(state.index, output_queue(dsd), dsd.color, bits, thread.clock)
    except UnroutedError as fault:
        raise state.error(
            f"a wavelet of color {dsd.color} cannot leave: {fault.message},", thread, at
        ) from fault


def _elements_per_word(state: State, thread: Thread, operation: Operation) -> int:
    packed = {dsd.packed for dsd in operation.fabric}
    if operation.op.element.words == 2 or packed == {False}:
        return 1
    if packed == {True}:
        return 2
    raise state.error(
        "an operation mixes packed and unpacked fabric operands", thread, operation.at
    )


def _element(
    state: State,
    thread: Thread,
    operation: Operation,
    index: int,
    arrived: dict[int, int],
    running: list[Uniform],
) -> Uniform:
    """Process one element; `arrived` holds the bits for operands on the fabric, by place."""
    op = operation.op
    folds = isinstance(operation.dest, Address) and op.accumulates
    values: list[NDArray[Any]] = []
    try:
        for place, (source, element) in enumerate(
            zip(operation.sources, op.source_elements, strict=True), start=1
        ):
            value = source
            if isinstance(source, FabricDsd):
                value = from_bits(arrived[place], element)
            elif isinstance(source, MemoryDsd):
                value = source.address(index, element).load(element)
            elif folds and place == 1 and running:
                value = running[-1]
            values.append(np.asarray([value], element.numpy))
        with np.errstate(all="ignore"):
            result = from_item(op.computation(state.machine)(*values)[0])
        if isinstance(operation.dest, MemoryDsd):
            operation.dest.address(index, op.element).store(result, op.element)
        elif isinstance(operation.dest, Address):
            operation.dest.store(result, op.element)
            running.append(result)
    except OutsideObjectError as fault:
        raise state.error(str(fault), thread, operation.at) from fault
    state.work.macs += op.macs
    state.work.flops += op.flops
    return result
