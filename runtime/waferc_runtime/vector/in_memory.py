"""Operations without fabric operands, carried out for a whole group, cycles included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.builtins.timing import unhindered_cycles
from waferc_runtime.vector.dsr import Save
from waferc_runtime.vector.forgetful import is_known
from waferc_runtime.vector.group import Group
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.map import MapRun
from waferc_runtime.vector.memory import OutOfBounds
from waferc_runtime.vector.operation import Operands, carry_out, elements_of, run_in_memory
from waferc_runtime.vector.recorded import with_out
from waferc_runtime.vector.unknown import NeedsData
from waferc_runtime.vector.values import MemoryDsd


def operate_in_memory(
    group: Group,
    kinds: Sequence[tuple[Indices | None, Operands]],
    saves: Sequence[Save],
    machine: Machine,
) -> int | NDArray[np.int64]:
    """Carry out an operation without fabric operands; its cycles, [pe] if they differ.

    `kinds` are parts of the group's PEs (None: all of them) with their operands.
    """
    pes = group.state.count
    if len(kinds) == 1 and kinds[0][0] is None:
        operands = kinds[0][1]
        spent = run_in_memory(group, operands, group.lanes, machine)
        for save in saves:
            save.settle(group.lanes, operands.length, pes)
        return spent
    cycles = np.zeros(group.lanes.count, np.int64)
    for positions, operands in kinds:
        assert positions is not None
        lanes = group.lanes.at(positions)
        try:
            cycles[positions] = run_in_memory(group, operands, lanes, machine)
        except OutOfBounds as fault:
            fault.position = int(positions[fault.position or 0])
            raise
        for save in saves:
            save.at(positions).settle(lanes, operands.length, pes)
    return cycles


def conflicts_in(
    group: Group,
    cycles: int | NDArray[np.int64],
    kinds: Sequence[tuple[Indices | None, Operands]],
    machine: Machine,
) -> int | NDArray[np.int64]:
    """How many of the cycles of such an operation it waited for banks; [pe] if they differ.

    0 where nobody wants to know.
    """
    if group.spent is None:
        return 0
    least = np.zeros(np.shape(cycles), np.int64)
    for positions, operands in kinds:
        assert isinstance(operands.length, int)
        here = unhindered_cycles(operands.op, operands.length, machine)
        least[... if positions is None else positions] = here
    return cycles - least


def map_in_memory(group: Group, run: MapRun, machine: Machine) -> None:
    """Carry out a `@map` of a function on arrays, all of whose operands are in memory."""
    pure = run.pure
    assert pure is not None
    count, lanes = run.count, group.lanes
    group.extra += machine.dsd_setup_cycles + count * machine.loop_cycles
    if count == 0:
        return
    values = [
        elements_of(value, kind, count) if isinstance(value, MemoryDsd) else value
        for value, kind in zip(run.inputs, run.types, strict=True)
    ]
    dest = elements_of(run.output, run.result, count)
    if pure.cycles is not None:
        group.extra += count * pure.cycles
        carry_out(with_out(pure.compute), dest, values, lanes, count)
        return
    if not all(map(is_known, values)):
        raise NeedsData("what @map costs")
    steps: list[NDArray[np.int64]] = []  # cycles by element, one part per step of `apply`

    def compute(*arrays: Any) -> Any:
        assert pure.varying is not None
        steps.append(np.asarray(pure.varying(*arrays), np.int64))
        return pure.compute(*arrays)

    carry_out(with_out(compute), dest, values, lanes, count)
    size = count // len(steps)
    spent = np.zeros(lanes.count, np.int64)
    for step in steps:
        spread = np.broadcast_to(step, np.broadcast_shapes(step.shape, (1, lanes.count)))
        spread = spread.reshape(-1, lanes.count)
        spent += spread.sum(axis=0) * (size // len(spread))
    group.spend(spent)
