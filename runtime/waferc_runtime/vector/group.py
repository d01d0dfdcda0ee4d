"""A group: PEs of one class that are at the same place in the program, and what they hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import Location
from waferc_runtime.vector.lanes import Indices, Lanes, lanes_of
from waferc_runtime.vector.values import RunValue, may_merge, merge, take

SUSPENDED = -1  # what an instruction returns when its group does not go on by itself

Instruction = Callable[["Group"], int]  # does its work and returns the next program counter


@dataclass(eq=False, slots=True)
class Code:
    """A function as a list of instructions, with the place of each."""

    name: str
    locals: int
    instructions: list[Instruction] = field(default_factory=lambda: [])
    places: list[Location | None] = field(default_factory=lambda: [])
    epilogue: int = 0  # where parts of a group that was split meet again


@dataclass(eq=False, slots=True)
class Frame:
    """A call: its code, where to go on after a call it makes, its locals and the wanted result.

    `entry` is what the group's account was when the call began, if its end is to be told.
    """

    code: Code
    locals: list[RunValue]
    pc: int = 0
    result: int | None = None  # local of the caller that takes the result
    entry: NDArray[np.int64] | None = None  # [4, pe]

    def at(self, positions: Indices) -> Frame:
        """The same for part of the PEs."""
        values = [take(value, positions) for value in self.locals]
        entry = None if self.entry is None else self.entry[:, positions]
        return Frame(self.code, values, self.pc, self.result, entry)


@dataclass(eq=False, slots=True)
class Join:
    """Where parts of a split group meet: call depth, place, how many come, who is there."""

    depth: int
    pc: int
    expected: int
    arrived: list[Group] = field(default_factory=lambda: [])


TaskKind = Literal["local", "data", "control", "host", "handler"]


@dataclass(frozen=True, slots=True, eq=False)
class TaskRun:
    """What a group's PEs run, for those who watch."""

    name: str
    kind: TaskKind
    begin: NDArray[np.int64]  # [pe]

    def at(self, positions: Indices) -> TaskRun:
        """The same for part of the PEs."""
        return TaskRun(self.name, self.kind, self.begin[positions])


@dataclass(eq=False, slots=True)
class Group:
    """PEs that run together. `extra` cycles have passed on all clocks beside what they show.

    `task` is kept only if somebody watches, `spent` only for those who want spans: cycles of
    `busy` in which words moved, and those in which operations waited for banks.
    """

    state: Any  # ClassState; typed there, as it holds groups itself
    lanes: Lanes
    clock: NDArray[np.int64]  # [pe]
    busy: NDArray[np.int64]  # [pe]
    frames: list[Frame]
    joins: list[Join] = field(default_factory=lambda: [])
    pc: int = 0
    extra: int = 0
    task: TaskRun | None = None
    spent: NDArray[np.int64] | None = None  # [2, pe]

    @property
    def locals(self) -> list[RunValue]:
        """Locals of the innermost call."""
        return self.frames[-1].locals

    def settle(self) -> None:
        """Bring the clocks up to date."""
        if self.extra:
            self.clock = self.clock + self.extra
            self.busy = self.busy + self.extra
            self.extra = 0

    def spend(
        self, cycles: NDArray[np.int64] | int, conflicts: NDArray[np.int64] | int = 0
    ) -> None:
        """Let cycles of work pass, the same on all PEs or [pe]; `conflicts` are some of them."""
        if self.spent is not None:
            self.spent[1] += conflicts
        if isinstance(cycles, np.ndarray):
            self.clock = self.clock + cycles
            self.busy = self.busy + cycles
        else:
            self.extra += cycles

    def account(self) -> NDArray[np.int64] | None:
        """Clock, busy cycles, and what `spent` says of them: [4, pe]; None if nobody wants it."""
        if self.spent is None:
            return None
        self.settle()
        return np.stack([self.clock, self.busy, *self.spent])

    def at(self, positions: Indices, pc: int) -> Group:
        """Part of the group, to go on at `pc`, with the same joins ahead."""
        self.settle()
        return Group(
            self.state,
            self.lanes.at(positions),
            self.clock[positions],
            self.busy[positions],
            [frame.at(positions) for frame in self.frames],
            list(self.joins),
            pc,
            task=None if self.task is None else self.task.at(positions),
            spent=None if self.spent is None else self.spent[:, positions],
        )

    def split(self, parts: Sequence[tuple[Indices, int]], meet: int) -> list[Group]:
        """Parts (positions, program counter) that meet again at `meet` in this function."""
        groups = [self.at(positions, pc) for positions, pc in parts]
        more = len(groups) - 1
        joins = self.joins
        if joins and (joins[-1].depth, joins[-1].pc) == (len(self.frames), meet):
            joins[-1].expected += more
            joins = joins[:-1]
        else:
            join = Join(len(self.frames), meet, len(groups))
            for group in groups:
                group.joins.append(join)
        for join in joins:
            join.expected += more
        return groups

    def may_join(self, other: Group) -> bool:
        """Whether one group can hold both, which are at the same place."""
        return all(
            may_merge(a, b) or a is None or b is None
            for mine, theirs in zip(self.frames, other.frames, strict=True)
            for a, b in zip(mine.locals, theirs.locals, strict=True)
        )


def join(groups: Sequence[Group], pes: int) -> list[Group]:
    """Groups at the same place as few groups; `pes` is the number of PEs of the class.

    Groups that hold pointers to different objects in one variable stay apart.
    """
    sets: list[list[Group]] = []
    for group in groups:
        for members in sets:
            if members[0].may_join(group):
                members.append(group)
                break
        else:
            sets.append([group])
    return [_join(members, pes) for members in sets]


def _join(groups: list[Group], pes: int) -> Group:
    if len(groups) == 1:
        return groups[0]
    for group in groups:
        group.settle()
    first = groups[0]
    counts = [group.lanes.count for group in groups]
    lanes = np.concatenate([group.lanes.indices() for group in groups])
    order = np.argsort(lanes)
    frames: list[Frame] = []
    for level, frame in enumerate(first.frames):
        columns = zip(*(group.frames[level].locals for group in groups), strict=True)
        values = [_join_values(list(column), counts, order) for column in columns]
        entry = _join_accounts([group.frames[level].entry for group in groups], order)
        frames.append(Frame(frame.code, values, frame.pc, frame.result, entry))
    return Group(
        first.state,
        lanes_of(lanes[order], pes),
        np.concatenate([group.clock for group in groups])[order],
        np.concatenate([group.busy for group in groups])[order],
        frames,
        first.joins,
        first.pc,
        task=_join_tasks([group.task for group in groups], order),
        spent=_join_accounts([group.spent for group in groups], order),
    )


def _join_accounts(
    accounts: list[NDArray[np.int64] | None], order: Indices
) -> NDArray[np.int64] | None:
    kept = [account for account in accounts if account is not None]
    return np.concatenate(kept, axis=1)[:, order] if kept else None


def _join_tasks(tasks: list[TaskRun | None], order: Indices) -> TaskRun | None:
    watched = [task for task in tasks if task is not None]
    if not watched:
        return None
    begin = np.concatenate([task.begin for task in watched])[order]
    return TaskRun(watched[0].name, watched[0].kind, begin)


def _join_values(values: list[RunValue], counts: list[int], order: Indices) -> RunValue:
    # a variable that some part has not set is out of scope behind the place where parts meet
    if any(value is None for value in values):
        return None
    return merge(values, counts, order)
