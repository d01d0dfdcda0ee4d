"""`@map`: a function applied to the elements of DSDs one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from waferc_runtime.csl import core
from waferc_runtime.reference.arithmetic import from_bits, to_bits
from waferc_runtime.reference.buffers import Wavelet
from waferc_runtime.reference.evaluate import memory_faults, number, scalar_type
from waferc_runtime.reference.memory import Address, FabricDsd, FifoOperand, MemoryDsd, Value
from waferc_runtime.reference.operands import Operand
from waferc_runtime.reference.operate import output_queue, send
from waferc_runtime.reference.state import State
from waferc_runtime.reference.thread import Obstacle, Steps, Thread, Wait

Apply = Callable[[Sequence[Value]], Steps[Value]]


def run_map(
    state: State,
    thread: Thread,
    statement: core.MapOperation,
    inputs: Sequence[Operand],
    output: Operand,
    apply: Apply,
) -> Steps[None]:
    """Apply the function until the first DSD is exhausted; inputs that are no DSDs stay.

    A pointer as output takes every result, so that the last one remains.
    """
    function = statement.function
    input_types = [statement.element] * len(inputs)
    output_type: core.Scalar = statement.element
    if isinstance(function, core.Function):
        input_types = [
            parameter.type if isinstance(parameter.type, core.Scalar) else statement.element
            for parameter in function.parameters
        ]
        if statement.output is not None:
            output_type = scalar_type(function.result)
    operands = [item.value for item in (*inputs, output)]
    if any(isinstance(value, FifoOperand) for value in operands):
        raise state.error("@map takes no FIFO, but is given one,", thread, statement.at)
    dsds = [value for value in operands if isinstance(value, MemoryDsd | FabricDsd)]
    count = min((dsd.length for dsd in dsds), default=1)
    arriving = [dsd for dsd in dsds if isinstance(dsd, FabricDsd) and dsd.is_input]
    thread.clock += state.machine.dsd_setup_cycles
    for index in range(count):
        yield from _wait(state, thread, arriving, None, index, count)
        arguments: list[Value] = []
        for item, element in zip(inputs, input_types, strict=True):
            if isinstance(item.value, FabricDsd):
                wavelet = state.fabric.take(state.index, item.value.color, thread.clock)
                arguments.append(from_bits(wavelet.bits, element))
            elif isinstance(item.value, MemoryDsd):
                with memory_faults(state, thread, statement.at):
                    arguments.append(item.value.address(index, element).load(element))
            else:
                arguments.append(item.value)
        result = yield from apply(arguments)
        match output.value:
            case FabricDsd() as dsd:
                yield from _wait(state, thread, [], dsd, index, count)
                bits = to_bits(number(result), output_type)
                last = dsd.flips_switch and index == count - 1
                wavelet = Wavelet(dsd.color, bits, dsd.is_control, last)
                send(state, thread, dsd, wavelet, statement.at)
            case MemoryDsd() | Address() as place:
                is_dsd = isinstance(place, MemoryDsd)
                target = place.address(index, output_type) if is_dsd else place
                with memory_faults(state, thread, statement.at):
                    target.store(number(result), output_type)
            case _:
                pass
        thread.clock += state.machine.loop_cycles
    for item in (*inputs, output):
        item.settle(count)


def _wait(
    state: State,
    thread: Thread,
    inputs: Sequence[FabricDsd],
    output: FabricDsd | None,
    done: int,
    total: int,
) -> Steps[None]:
    """Wait, from the thread's clock on, for one word of each input and room for the output."""
    if not inputs and output is None:
        return
    earliest = thread.clock
    needed = Counter(dsd.color for dsd in inputs)
    while True:
        ready = earliest
        obstacle: Obstacle | None = None
        for color, count in needed.items():
            arrival = state.fabric.arrival(state.index, color, count)
            if arrival is None:
                obstacle = Obstacle("receive", color, done, total)
            else:
                ready = max(ready, arrival)
        if output is not None and not state.fabric.can_put(
            state.index, output_queue(output), state.now
        ):
            obstacle = Obstacle("send", output.color, done, total)
        if ready > state.now:
            yield Wait(ready, obstacle)
        elif obstacle is not None:
            yield Wait(None, obstacle)
        else:
            break
    thread.waited += state.now - earliest
    thread.clock = state.now
