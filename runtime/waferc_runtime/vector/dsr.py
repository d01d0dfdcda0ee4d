"""Data structure registers: what is loaded into them, and what operations leave behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from waferc_runtime.csl import core
from waferc_runtime.vector.lanes import Indices, Lanes, is_array
from waferc_runtime.vector.occupancy import Holdings, Key
from waferc_runtime.vector.state import ClassState, Variable
from waferc_runtime.vector.unknown import Misuse
from waferc_runtime.vector.values import (
    FabricDsd,
    FifoDsd,
    Int,
    Loaded,
    MemoryDsd,
    RunValue,
    take,
    wide,
)


@dataclass(frozen=True, slots=True, eq=False)
class Operand:
    """An operand of an operation: its value, and the register that it stands in, if any."""

    value: RunValue
    register: Variable | None = None
    loaded: Loaded | None = None
    name: Key | None = None  # of the register

    @property
    def single(self) -> RunValue:
        """The value for one operation, which takes one element if it is a single step."""
        if self.loaded is None or not self.loaded.single_step:
            return self.value
        is_memory = isinstance(self.value, MemoryDsd)
        return replace(self.value, is_single=True) if is_memory else self.value


def register(state: ClassState, file: core.DsrFile, number: int) -> Variable:
    """A register of all PEs of a class."""
    return state.registers.setdefault((file, number), Variable(None))


def load_register(
    state: ClassState, kind: core.Dsr, number: RunValue, value: Loaded, lanes: Lanes
) -> None:
    """Load `value` into the register of a number, on PEs that may each name another.

    Raises:
        Misuse: an operation in progress uses it.
    """
    if not is_array(number):
        state.occupancy.check_register((kind.file, int(number)), lanes)
        register(state, kind.file, int(number)).set(lanes, value, state.count)
        return
    for single in np.unique(number):
        positions = np.flatnonzero(number == single)
        state.occupancy.check_register((kind.file, int(single)), lanes.at(positions))
        variable = register(state, kind.file, int(single))
        variable.set(lanes.at(positions), take(value, positions), state.count)


def operand(state: ClassState, kind: core.Dsr, number: RunValue, lanes: Lanes) -> Operand:
    """What stands in a register of PEs that all mean the same one and hold the same kind of DSD.

    Raises:
        Misuse: nothing was loaded into it.
    """
    first = int(np.asarray(number).flat[0])
    variable = register(state, kind.file, first)
    loaded = variable.get(lanes)
    if not isinstance(loaded, Loaded):
        raise Misuse(f"DSR {kind.file} {first} is used, into which nothing was loaded,")
    value = state.queues.with_color(loaded.dsd, lanes)
    return Operand(value, variable, loaded, (kind.file, first))


def holdings(operands: Sequence[Operand], config: core.DsdConfig) -> Holdings:
    """What an operation uses, by its operands."""
    queues: set[Key] = set()
    registers = {item.name for item in operands if item.name is not None}
    for place, item in enumerate(operands):
        value = item.value
        if isinstance(value, FifoDsd):
            registers.add(("fifo_src1" if place else "fifo_dest", value.fifo.name))
        if isinstance(value, FabricDsd) and value.queue is not None:
            queues.add(("input" if value.kind == "fabin" else "output", value.queue))
    return Holdings(frozenset(queues), frozenset(registers), config.microthread is not None)


def index_of(index: Int | None, operands: Sequence[Operand]) -> Int | None:
    """The index of an operation: its own, else that of the first DSR loaded with one."""
    if index is not None:
        return index
    loaded = (item.loaded.index for item in operands if item.loaded is not None)
    return next((found for found in loaded if found is not None), None)


@dataclass(frozen=True, slots=True, eq=False)
class Save:
    """A register whose base an operation leaves where it stopped; `size` words per element.

    Arrays in `loaded` have one entry per PE of the operation.
    """

    register: Variable
    loaded: Loaded
    size: int

    def at(self, positions: Indices) -> Save:
        """The same for some of the operation's PEs."""
        return Save(self.register, take(self.loaded, positions), self.size)

    def settle(self, lanes: Lanes, elements: Int, pes: int) -> None:
        """Move the base behind `elements`, the outermost dimension going on."""
        dsd = self.loaded.dsd
        assert isinstance(dsd, MemoryDsd)
        inner: Int = 1
        for extent in dsd.extents[1:]:
            inner = inner * wide(extent)
        elements = wide(dsd.first) + wide(elements)
        rows = wide(elements // inner) * wide(dsd.strides[0]) * self.size
        moved = replace(dsd, words=wide(dsd.words) + rows, first=elements % inner)
        self.register.set(lanes, replace(self.loaded, dsd=moved), pes)


def saves_of(operands: Sequence[Operand], elements: Sequence[core.Scalar]) -> list[Save]:
    """The registers among an operation's operands that are to be moved; with element types."""
    found: list[Save] = []
    for item, element in zip(operands, elements, strict=True):
        loaded = item.loaded
        if loaded is None or item.register is None or not isinstance(loaded.dsd, MemoryDsd):
            continue
        if loaded.save_address or loaded.single_step:
            found.append(Save(item.register, loaded, element.words))
    return found
