"""Configuration registers of compute elements: priorities of tasks, bindings of queues, flushes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.builtins import registers
from waferc_runtime.vector.lanes import Lanes
from waferc_runtime.vector.queues import Side
from waferc_runtime.vector.state import ClassState
from waferc_runtime.vector.unknown import Misuse

Times = NDArray[np.int64]
Values = NDArray[np.uint16]

_TASKS_PER_REGISTER = 16
_QUEUES = 8
_COLOR_SHIFT, _COLOR_BITS = 4, 0x1F
_SIDES: dict[int, Side] = {registers.OUTPUT_QUEUE: "fabout", registers.INPUT_QUEUE: "fabin"}

BANKS = (
    (registers.PRIORITY, 2),
    (registers.MAIN_THREAD, 1),
    (registers.EXCEPTIONS, 1),
    (registers.OUTPUT_FLUSHED, 1),
    (registers.INPUT_STATUS, 1),
    (registers.OUTPUT_STATUS, 1),
    (registers.OUTPUT_QUEUE, _QUEUES),
    (registers.INPUT_QUEUE, _QUEUES),
)


def read(state: ClassState, lanes: Lanes, bank: int, place: int) -> Values:
    """What a register holds: [lane].

    Raises:
        Misuse: it tells how full queues are at this cycle.
    """
    match bank:
        case registers.PRIORITY:
            return _bits(lanes, place, lambda task: state.urgent.get(task))
        case registers.OUTPUT_FLUSHED:
            return state.queues.flushed(lanes)
        case registers.OUTPUT_QUEUE | registers.INPUT_QUEUE:
            colors = state.queues.colors(_SIDES[bank], place, lanes)
            return (np.maximum(colors, 0) << _COLOR_SHIFT).astype(np.uint16)
        case registers.INPUT_STATUS | registers.OUTPUT_STATUS:
            raise Misuse(
                "how full queues are at a cycle is read, which only the reference engine knows,"
            )
        case _:
            kept = state.kept_registers.get(bank)
            zeros = np.zeros(lanes.count, np.uint16)
            return zeros if kept is None else kept[lanes.index]


def write(state: ClassState, lanes: Lanes, bank: int, place: int, values: Times) -> None:
    """Set a register to `values` [lane].

    Raises:
        Misuse: it is read only.
    """
    match bank:
        case registers.PRIORITY:
            for bit in range(_TASKS_PER_REGISTER):
                task = place * _TASKS_PER_REGISTER + bit
                is_set = (values >> bit) & 1 != 0
                if is_set.any() or task in state.urgent:
                    mask = state.urgent.setdefault(task, np.zeros(state.count, np.bool_))
                    mask[lanes.index] = is_set
        case registers.OUTPUT_FLUSHED:
            state.queues.set_flushed(lanes, values)
        case registers.OUTPUT_QUEUE | registers.INPUT_QUEUE:
            colors = (values >> _COLOR_SHIFT) & _COLOR_BITS
            state.queues.bind(_SIDES[bank], place, lanes, colors)
        case registers.INPUT_STATUS | registers.OUTPUT_STATUS:
            raise Misuse(f"configuration register {bank:#06x} is read only, which is written,")
        case _:
            kept = state.kept_registers.setdefault(bank, np.zeros(state.count, np.uint16))
            kept[lanes.index] = values.astype(np.uint16)


def _bits(lanes: Lanes, place: int, mask: Callable[[int], NDArray[np.bool_] | None]) -> Values:
    """The bits of the tasks that a register is about, from masks [pe]."""
    result = np.zeros(lanes.count, np.uint16)
    for bit in range(_TASKS_PER_REGISTER):
        here = mask(place * _TASKS_PER_REGISTER + bit)
        if here is not None:
            result |= (here[lanes.index].astype(np.int64) << bit).astype(np.uint16)
    return result
