"""The configuration registers of one PE: what a write changes, what a read gives.

Those of routes, switches and teardown are the routers' own. Priorities of tasks, filters and
bindings of queues take effect at once; the priority of the main thread and masked exceptions are
kept, but change nothing, as threads here do not contend and nothing stops a PE.
"""

from __future__ import annotations

from waferc_runtime.builtins import registers
from waferc_runtime.builtins.registers import COLORS
from waferc_runtime.reference.state import State

_TASKS_PER_REGISTER = 16
_QUEUES = 8
_COLOR_BITS, _COLOR_SHIFT = 0x1F, 4
_KEPT = (registers.MAIN_THREAD, registers.EXCEPTIONS)
_FILTERS = (registers.FILTER_LIMIT, registers.FILTER_MAX, registers.FILTER_COUNTER)


class UnknownRegisterError(Exception):
    """No configuration register is known at an address, or it cannot be written."""


def read_register(state: State, address: int) -> int:
    """The 16 bits of a register.

    Raises:
        UnknownRegisterError: there is none at the address.
    """
    routers, pe = state.fabric.routers, state.index
    bank, place = _bank(address)
    match bank:
        case registers.ROUTES:
            return routers.at(pe, place).routes_register
        case registers.SWITCHES:
            return routers.at(pe, place).switches_register
        case registers.PENDING:
            return routers.pending(pe) >> (16 * place) & 0xFFFF
        case registers.PRIORITY:
            first = place * _TASKS_PER_REGISTER
            tasks = range(first, first + _TASKS_PER_REGISTER)
            return sum((task in state.urgent) << (task - first) for task in tasks)
        case registers.OUTPUT_FLUSHED:
            return sum(1 << queue for queue in state.flushed)
        case registers.INPUT_STATUS:
            return _status(
                [
                    state.fabric.input(pe, color).fill if color is not None else (0, 1)
                    for color in (_color_of(state, queue) for queue in range(_QUEUES))
                ]
            )
        case registers.OUTPUT_STATUS:
            queues = range(len(state.machine.output_queue_depths))
            return _status([state.fabric.output(pe, queue).fill for queue in queues])
        case registers.OUTPUT_QUEUE:
            return state.output_colors.get(place, 0) << _COLOR_SHIFT
        case registers.INPUT_QUEUE:
            return (_color_of(state, place) or 0) << _COLOR_SHIFT
        case _ if bank in _FILTERS:
            return _filter_field(state, bank, place, None)
        case _:
            return state.kept_registers.get(address, 0)


def write_register(state: State, address: int, value: int) -> None:
    """Write 16 bits into a register.

    Raises:
        UnknownRegisterError: there is none at the address, or it is read only.
    """
    routers, pe = state.fabric.routers, state.index
    bank, place = _bank(address)
    match bank:
        case registers.ROUTES:
            routers.at(pe, place).routes_register = value
        case registers.SWITCHES:
            routers.at(pe, place).switches_register = value
        case registers.PENDING:
            routers.set_pending(pe, place, value)
        case registers.PRIORITY:
            for bit in range(_TASKS_PER_REGISTER):
                task = place * _TASKS_PER_REGISTER + bit
                (state.urgent.add if value >> bit & 1 else state.urgent.discard)(task)
        case registers.OUTPUT_FLUSHED:
            state.flushed = {queue for queue in state.flushed if value >> queue & 1}
        case registers.OUTPUT_QUEUE:
            state.output_colors[place] = value >> _COLOR_SHIFT & _COLOR_BITS
        case registers.INPUT_QUEUE:
            before = _color_of(state, place)
            if before is not None:
                del state.input_queues[before]
            state.input_queues[value >> _COLOR_SHIFT & _COLOR_BITS] = place
        case _ if bank in _FILTERS:
            _filter_field(state, bank, place, value)
        case _ if bank in _KEPT:
            state.kept_registers[address] = value
        case _:
            raise UnknownRegisterError(f"configuration register {address:#06x} is read only")


def _bank(address: int) -> tuple[int, int]:
    """The first register of the kind that an address is of, and the place in it."""
    banks = {
        registers.ROUTES: COLORS,
        registers.SWITCHES: COLORS,
        registers.PENDING: 2,
        registers.PRIORITY: 2,
        registers.MAIN_THREAD: 1,
        registers.EXCEPTIONS: 1,
        registers.OUTPUT_FLUSHED: 1,
        registers.INPUT_STATUS: 1,
        registers.OUTPUT_STATUS: 1,
        registers.OUTPUT_QUEUE: _QUEUES,
        registers.INPUT_QUEUE: _QUEUES,
        **dict.fromkeys(_FILTERS, COLORS),
    }
    for first, count in banks.items():
        if first <= address < first + count:
            return first, address - first
    raise UnknownRegisterError(f"no configuration register is known at {address:#06x}")


def _color_of(state: State, queue: int) -> int | None:
    return next((color for color, bound in state.input_queues.items() if bound == queue), None)


def _status(fills: list[tuple[int, int]]) -> int:
    """Bits of empty queues, then of full ones, from words and room of each."""
    empty = sum((words == 0) << queue for queue, (words, _) in enumerate(fills))
    full = sum((words >= room) << queue for queue, (words, room) in enumerate(fills))
    return empty | full << _QUEUES


def _filter_field(state: State, bank: int, color: int, value: int | None) -> int:
    """Set a field of the filter of a color, if a value is given; the field."""
    found = state.fabric.routers.at(state.index, color).filter
    if found is None:
        raise UnknownRegisterError(f"color {color} has no filter whose register could be used")
    match bank:
        case registers.FILTER_LIMIT:
            found.limit1 = found.limit1 if value is None else value
            return found.limit1
        case registers.FILTER_MAX:
            found.max_counter = found.max_counter if value is None else value
            return found.max_counter
        case _:
            found.counter = found.counter if value is None else value
            return found.counter
