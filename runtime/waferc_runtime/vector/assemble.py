"""Emitting instructions: labels, jumps, branches that split a group, and where parts meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from waferc_ir.diagnostics import Location
from waferc_ir.machine import Machine
from waferc_runtime.builtins.dsd import DsdOp
from waferc_runtime.csl import core
from waferc_runtime.vector.dsr import Operand, Save
from waferc_runtime.vector.expression import Compiled
from waferc_runtime.vector.group import Code, Group, Instruction
from waferc_runtime.vector.lanes import Indices, is_array
from waferc_runtime.vector.map import MapRun
from waferc_runtime.vector.registers import Registers
from waferc_runtime.vector.state import ClassState, Variable
from waferc_runtime.vector.values import FabricDsd, Int, RunValue
from waferc_runtime.vector.watch import Watch


class Wafer(Protocol):
    """What instructions need of the engine."""

    watch: Watch

    @property
    def registers(self) -> Registers: ...

    def split(self, group: Group, parts: Sequence[tuple[Indices, int]], meet: int) -> int: ...

    def arrive(self, group: Group, pc: int) -> int: ...

    def finish(self, group: Group) -> int: ...

    def issue(
        self,
        group: Group,
        op: DsdOp,
        operands: list[Operand],
        config: core.DsdConfig,
        index: Int | None,
        result: int | None,
        pc: int,
    ) -> int: ...

    def issue_map(self, group: Group, run: MapRun, saves: Sequence[Save], pc: int) -> int: ...

    def receive_one(
        self, group: Group, dsd: FabricDsd, element: core.Scalar, into: int, pc: int
    ) -> int: ...

    def send_one(
        self, group: Group, dsd: FabricDsd, element: core.Scalar, value: RunValue, pc: int
    ) -> int: ...

    def set_fifo_length(
        self, group: Group, fifo: core.Fifo, side: str, value: RunValue
    ) -> None: ...

    def block_microthread(self, group: Group, action: str, number: RunValue) -> None: ...

    def control(self, group: Group, action: str, task: RunValue) -> None: ...


@dataclass(eq=False, slots=True)
class Label:
    """A place in the code, known once it is reached."""

    pc: int = -1


@dataclass(frozen=True, slots=True)
class Loop:
    """Where `break` and `continue` go."""

    end: Label
    proceed: Label


class Assembler:
    """The code of one function as it grows."""

    def __init__(
        self, state: ClassState, machine: Machine, wafer: Wafer, code: Code, at: Location | None
    ) -> None:
        self._state = state
        self._machine = machine
        self._wafer = wafer
        self._code = code
        self._at = at  # the statement at hand
        self._slots: list[core.Slot] = []  # read by the statement, may differ between PEs

    def _emit(self, instruction: Instruction) -> None:
        self._code.instructions.append(instruction)
        self._code.places.append(self._at)

    @property
    def _here(self) -> int:
        return len(self._code.instructions)

    def _place(self, label: Label) -> None:
        label.pc = self._here

    def _hidden(self) -> int:
        self._code.locals += 1
        return self._code.locals - 1

    def _jump(self, label: Label) -> None:
        self._emit(lambda g: label.pc)

    def _meet(self, label: Label) -> None:
        """Emit the place where parts of a split group wait for each other."""
        pc, wafer = label.pc, self._wafer

        def meet(g: Group) -> int:
            if g.joins and (g.joins[-1].depth, g.joins[-1].pc) == (len(g.frames), pc):
                return wafer.arrive(g, pc)
            return pc + 1

        self._emit(meet)

    def _branch(self, condition: Compiled, no: Label, meet: Label) -> None:
        """Go on where the condition holds, to `no` where it does not."""
        closure, cost = condition
        self._separate()
        yes, wafer = self._here + 1, self._wafer

        def branch(g: Group) -> int:
            chosen = closure(g)
            g.extra += cost
            if is_array(chosen):
                first = np.flatnonzero(chosen)
                if 0 < len(first) < len(chosen):
                    second = np.flatnonzero(~chosen)
                    return wafer.split(g, [(first, yes), (second, no.pc)], meet.pc)
                return yes if len(first) else no.pc
            return yes if chosen else no.pc

        self._emit(branch)

    def _separate(self) -> None:
        """Emit a split of the group by slots that hold different kinds of values on its PEs."""
        slots, self._slots = self._slots, []
        for slot in dict.fromkeys(slots):
            self._emit(self._separation(self._state.variables[slot], self._here + 1))

    def _separation(self, variable: Variable, following: int) -> Instruction:
        code, wafer = self._code, self._wafer

        def separate(g: Group) -> int:
            kinds = variable.kinds(g.lanes)
            if kinds is None:
                return following
            parts = [(np.flatnonzero(kinds == kind), following) for kind in np.unique(kinds)]
            return wafer.split(g, parts, code.epilogue)

        return separate
