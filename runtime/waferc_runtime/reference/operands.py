"""A DSD operation with its operands evaluated: kinds, length, what it uses.

How many elements: the first of the sources, then the destination, that has a length (1 if all
are scalars). A length of 0x7fff on the fabric never ends.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from waferc_ir.diagnostics import Location
from waferc_runtime.builtins.dsd import DsdOp
from waferc_runtime.csl import core
from waferc_runtime.reference.fifo import Ring
from waferc_runtime.reference.memory import Address, FabricDsd, FifoOperand, MemoryDsd, Value
from waferc_runtime.reference.state import Register, State
from waferc_runtime.reference.thread import Thread

INFINITE = 0x7FFF


@dataclass(frozen=True, slots=True)
class Operand:
    """An operand: its value, and the DSR that it stands in, with the register's name."""

    value: Value
    name: str = ""
    register: Register | None = None

    def settle(self, done: int) -> None:
        """Leave the address where an operation of `done` elements stopped, if it is to stay.

        A register that stands for several operands moves once.
        """
        register = self.register
        if register is None or not isinstance(register.value, MemoryDsd):
            return
        if register.save_address or register.single_step:
            assert isinstance(self.value, MemoryDsd)
            register.value = replace(register.value, first=self.value.first + done)


def operand(state: State, thread: Thread, kind: core.CoreType, value: Value) -> Operand:
    """The operand that a value of a core type is.

    Raises:
        RunError: it is a DSR that nothing was loaded into.
    """
    if not isinstance(kind, core.Dsr):
        return Operand(_bound(state, value))
    name = f"{kind.file} {value}"
    register = state.registers.get(name)
    if register is None:
        raise state.error(f"DSR {name} is used, into which nothing was loaded,", thread)
    return Operand(_bound(state, register.value), name, register)


def _bound(state: State, value: Value) -> Value:
    """A fabric DSD with the color that its queue has now."""
    if not isinstance(value, FabricDsd) or not value.is_bound or value.queue is None:
        return value
    if value.is_input:
        color = next((c for c, queue in state.input_queues.items() if queue == value.queue), None)
    else:
        color = state.output_colors.get(value.queue)
    return value if color is None or color == value.color else replace(value, color=color)


@dataclass(frozen=True, slots=True)
class Operation:
    """A DSD operation. `operands` are the destination and the sources."""

    op: DsdOp
    operands: tuple[Operand, ...]
    config: core.DsdConfig
    index: int
    at: Location | None

    @property
    def dest(self) -> Value:
        return self.operands[0].value

    @property
    def values(self) -> tuple[Value, ...]:
        """The operands' values, where the index has been added to memory operands."""
        return tuple(
            item.value.indexed(self.index) if isinstance(item.value, MemoryDsd) else item.value
            for item in self.operands
        )

    @property
    def fabric(self) -> list[FabricDsd]:
        """The operands on the fabric."""
        return [item.value for item in self.operands if isinstance(item.value, FabricDsd)]

    @property
    def streams(self) -> bool:
        """Whether an operand is on the fabric or a FIFO."""
        return any(isinstance(item.value, FabricDsd | FifoOperand) for item in self.operands)

    @property
    def registers(self) -> frozenset[str]:
        """The DSRs that it uses, those of its FIFO included."""
        fifos = {
            f"fifo_{'src1' if place else 'dest'} {item.value.fifo.name}"
            for place, item in enumerate(self.operands)
            if isinstance(item.value, FifoOperand)
        }
        return frozenset(item.name for item in self.operands if item.name) | fifos

    @property
    def queues(self) -> frozenset[str]:
        """The queues that it uses."""
        return frozenset(dsd.queue_name for dsd in self.fabric)

    @property
    def receives(self) -> frozenset[int]:
        """The colors that it receives."""
        return frozenset(dsd.color for dsd in self.fabric if dsd.is_input)

    def misuse(self) -> str | None:
        """What is wrong with the kinds of the operands; None if nothing is."""
        name, count = self.op.name, len(self.op.source_elements)
        sources = [item.value for item in self.operands[1:]]
        if len(sources) != count:
            return f"{name} takes {count} sources and has {len(sources)}"
        for source in sources:
            if source is None or isinstance(source, Address):
                return f"{name} has a source that is neither a DSD nor a scalar"
            if isinstance(source, FabricDsd) and not source.is_input:
                return f"{name} reads from a fabout DSD"
        if len([item for item in self.operands if isinstance(item.value, FifoOperand)]) > 1:
            return f"{name} has more than one FIFO"
        if isinstance(self.dest, FabricDsd):
            return f"{name} writes to a fabin DSD" if self.dest.is_input else None
        if not isinstance(self.dest, MemoryDsd | Address | FifoOperand):
            return f"{name} has a destination that is neither a DSD nor a pointer"
        return None

    def length(self, state: State) -> int | None:
        """Number of elements; None if it never ends."""
        if all(self._length_of(state, place) is None for place in range(len(self.operands))):
            return 1
        for place in (*range(1, len(self.operands)), 0):
            found = self._length_of(state, place)
            if found:
                return None if found == INFINITE and self.streams else found
        return 0

    def _length_of(self, state: State, place: int) -> int | None:
        """The length of an operand; None if it has none."""
        match self.operands[place].value:
            case MemoryDsd() as dsd:
                register = self.operands[place].register
                return 1 if register is not None and register.single_step else dsd.length
            case FabricDsd() as dsd:
                return dsd.length
            case FifoOperand(fifo):
                ring = state.rings[fifo]
                return ring.read_length if place else ring.write_length
            case _:
                return None

    def ring(self, state: State) -> tuple[int, Ring] | None:
        """The FIFO among the operands, with its place."""
        for place, item in enumerate(self.operands):
            if isinstance(item.value, FifoOperand):
                return place, state.rings[item.value.fifo]
        return None


def index_of(config: core.DsdConfig, index: int, operands: tuple[Operand, ...]) -> int:
    """The index of an operation: its own, or that of the first DSR loaded with one."""
    if config.index is not None:
        return index
    loaded = [item.register for item in operands if item.register is not None]
    return next((item.index for item in loaded if item.config.index is not None), 0)
