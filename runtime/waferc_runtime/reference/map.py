"""`@map`: a function applied to the elements of DSDs one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from waferc_runtime.csl import core
from waferc_runtime.reference.evaluate import memory_faults, number, scalar_type
from waferc_runtime.reference.memory import Address, FabricDsd, MemoryDsd, Value
from waferc_runtime.reference.operate import from_bits, send, to_bits, wait_for_fabric
from waferc_runtime.reference.state import State
from waferc_runtime.reference.thread import Steps, Thread

Apply = Callable[[Sequence[Value]], Steps[Value]]


def run_map(
    state: State,
    thread: Thread,
    statement: core.MapOperation,
    inputs: Sequence[Value],
    output: Value,
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
        if output is not None:
            output_type = scalar_type(function.result)
    dsds = [value for value in (*inputs, output) if isinstance(value, MemoryDsd | FabricDsd)]
    count = min((dsd.length for dsd in dsds), default=1)
    fabric = [dsd for dsd in dsds if isinstance(dsd, FabricDsd)]
    thread.clock += state.machine.dsd_setup_cycles
    for index in range(count):
        arriving = [dsd for dsd in fabric if dsd.is_input]
        if arriving:
            yield from wait_for_fabric(state, thread, arriving, index, count)
        arguments: list[Value] = []
        for value, element in zip(inputs, input_types, strict=True):
            if isinstance(value, FabricDsd):
                bits = state.fabric.take(state.index, value.color, thread.clock)
                arguments.append(from_bits(bits, element))
            elif isinstance(value, MemoryDsd):
                with memory_faults(state, thread, statement.at):
                    arguments.append(value.address(index, element).load(element))
            else:
                arguments.append(value)
        result = yield from apply(arguments)
        if isinstance(output, FabricDsd):
            yield from wait_for_fabric(state, thread, [output], index, count)
            send(state, thread, output, to_bits(number(result), output_type), statement.at)
        elif isinstance(output, MemoryDsd | Address):
            target = output.address(index, output_type) if isinstance(output, MemoryDsd) else output
            with memory_faults(state, thread, statement.at):
                target.store(number(result), output_type)
        thread.clock += state.machine.loop_cycles
