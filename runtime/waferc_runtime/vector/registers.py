"""`@get_config` and `@set_config`: which register an address means, on the PEs of a group."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np

from waferc_runtime.vector import pe_registers
from waferc_runtime.vector.group import Group
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.operation import Misuse
from waferc_runtime.vector.router_registers import BANKS, RegisterFault, RouterRegisters
from waferc_runtime.vector.state import ClassState
from waferc_runtime.vector.values import RunValue


class Registers:
    """All configuration registers of the wafer."""

    def __init__(self, routers: RouterRegisters) -> None:
        self._routers = routers

    def get_config(self, group: Group, address: RunValue) -> RunValue:
        """`@get_config` of a group, whose addresses may differ.

        Raises:
            Misuse: there is no such register, or it cannot be read.
        """
        group.settle()
        state: ClassState = group.state
        pes: Indices = state.pes[group.lanes.index]
        result = np.zeros(len(pes), np.uint16)
        for number, here in _by_address(address, len(pes)):
            with _on(here):
                bank, place = _bank(number)
                if bank in _OF_PES:
                    lanes = group.lanes.at(here)
                    result[here] = pe_registers.read(state, lanes, bank, place)
                else:
                    result[here] = self._routers.read(bank, place, pes[here], group.clock[here])
        return result

    def set_config(self, group: Group, address: RunValue, value: RunValue) -> None:
        """`@set_config` of a group.

        Raises:
            Misuse: there is no such register, or it cannot be written.
        """
        group.settle()
        state: ClassState = group.state
        pes: Indices = state.pes[group.lanes.index]
        values = np.broadcast_to(np.asarray(value), len(pes)).astype(np.int64) & 0xFFFF
        for number, here in _by_address(address, len(pes)):
            with _on(here):
                bank, place = _bank(number)
                if bank in _OF_PES:
                    lanes = group.lanes.at(here)
                    pe_registers.write(state, lanes, bank, place, values[here])
                else:
                    cycles = group.clock[here]
                    self._routers.write(bank, place, pes[here], values[here], cycles)


_OF_PES = frozenset(base for base, _ in pe_registers.BANKS)


def _by_address(address: RunValue, pes: int) -> list[tuple[int, Indices]]:
    numbers = np.broadcast_to(np.asarray(address), pes).astype(np.int64)
    return [(int(number), np.flatnonzero(numbers == number)) for number in np.unique(numbers)]


@contextmanager
def _on(positions: Indices) -> Generator[None, Any, None]:
    """Name the PE by its place in the whole group."""
    try:
        yield
    except RegisterFault as fault:
        fault.position = int(positions[fault.position])
        raise
    except Misuse as fault:
        raise RegisterFault(str(fault), int(positions[0])) from fault


def _bank(address: int) -> tuple[int, int]:
    """The bank of an address, and the place in it."""
    for base, count in (*BANKS, *pe_registers.BANKS):
        if base <= address < base + count:
            return base, address - base
    raise RegisterFault(f"no configuration register is known at {address:#06x}", 0)
