"""Cutting a graph into consecutive stages of balanced work, where few values cross."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from types import MappingProxyType

from waferc.layouts.problem import TileError
from waferc.layouts.strategy import result_of, tensor
from waferc_ir.entries import entries, single
from waferc_ir.ops import graph_compute, graph_move, graph_structure
from waferc_ir.ops.declare import Op
from waferc_ir.program import Program, Statement, Value

_IMPOSSIBLE = (math.inf, math.inf)
_CROSSING_WEIGHT = 4.0  # an element that crosses costs as much work as so many multiply-adds

Part = Sequence[Sequence[Statement]]  # what a region does, entry by entry


def cut_entries(program: Program, stages: int) -> list[Part]:
    """The operations of every entry in `stages` consecutive parts each.

    A state that several entries use is in the stage where the first of them has it. Raises
    TileError as `cut`.
    """
    homes: dict[Value, int] = {}
    found: list[list[list[Statement]]] = []
    for entry in entries(program):
        parts = cut(single(program, entry), stages, homes)
        for stage, part in enumerate(parts):
            states = (s.result for s in part if isinstance(s.op, graph_structure.State))
            homes.update((state, stage) for state in states if state is not None)
        found.append(parts)
    return [[parts[stage] for parts in found] for stage in range(stages)]


def cut(
    program: Program, stages: int, homes: Mapping[Value, int] = MappingProxyType({})
) -> list[list[Statement]]:
    """The program's operations in `stages` consecutive parts.

    Weights, fills and inputs stand in every part that uses them, outputs in the part that makes
    their value, stores in that of their state, of which there is but one; `homes` tells the stage
    of some. Minimises the work of the slowest part, then what crosses the cuts.

    Raises:
        TileError: there are fewer operations than stages, no stage is wanted, or states would have
            to be in two stages.
    """
    work = [s for s in program.statements if _is_work(s)]
    if not 1 <= stages <= max(1, len(work)):
        raise TileError(
            f"{len(work)} operations do not make {stages} stages",
            help=f"ask for 1 to {max(1, len(work))} stages",
        )
    fixed = _fixed(program, work, homes)
    cuts = _best_cuts([work_of(s.op) for s in work], _crossing(program, work), fixed, stages)
    sources = {s.result: s for s in program.statements if s.result is not None and not _is_work(s)}
    stage_of: dict[Value, int] = {}
    parts: list[list[Statement]] = []
    for stage in range(stages):
        part: list[Statement] = []
        here: set[Value] = set()
        for statement in work[cuts[stage] : cuts[stage + 1]]:
            for operand in statement.op.operands():
                if operand in sources and operand not in here:
                    part.append(sources[operand])
                    here.add(operand)
            part.append(statement)
            if statement.result is not None:
                stage_of[statement.result] = stage
        parts.append(part)
    used = {operand for s in program.statements for operand in s.op.operands()}
    for statement in program.statements:
        if isinstance(statement.op, graph_structure.Input) and statement.result not in used:
            parts[0].insert(0, statement)  # the caller gives it all the same
        if isinstance(statement.op, graph_structure.Output):
            x = statement.op.x
            part = _home(x, sources.get(x), parts, {**stage_of, **homes})
            if x in sources and sources[x] not in part:
                part.insert(0, sources[x])
            part.append(statement)
        if isinstance(statement.op, graph_structure.Store):
            op = statement.op
            known = stage_of | {op.state: homes.get(op.state, stage_of.get(op.x, 0))}
            part = _home(op.state, sources[op.state], parts, known)
            for operand in op.operands():
                if operand in sources and sources[operand] not in part:
                    part.insert(0, sources[operand])
            part.append(statement)
    return parts


def _home(
    value: Value,
    source: Statement | None,
    parts: Sequence[list[Statement]],
    stage_of: Mapping[Value, int],
) -> list[Statement]:
    """The part that has a source, or else the one where a value is made."""
    found = (part for part in parts if source is not None and source in part)
    return next(found, parts[stage_of.get(value, 0)])


def _fixed(
    program: Program, work: Sequence[Statement], homes: Mapping[Value, int]
) -> list[int | None]:
    """For each work item the stage in which it must be, as it reads or makes a state of that."""
    stores = [s.op for s in program.statements if isinstance(s.op, graph_structure.Store)]
    makes = {op.x: homes[op.state] for op in stores if op.state in homes}
    return [
        next(
            (homes[value] for value in statement.op.operands() if value in homes),
            None if statement.result is None else makes.get(statement.result),
        )
        for statement in work
    ]


def _is_work(statement: Statement) -> bool:
    return not isinstance(
        statement.op,
        graph_structure.Input
        | graph_structure.Parameter
        | graph_structure.State
        | graph_structure.Fill
        | graph_structure.Output
        | graph_structure.Store,
    )


def work_of(op: Op) -> float:
    """Scalar operations of a graph operation, roughly."""
    result = result_of(op)
    match op:
        case graph_compute.Contract():
            extents = dict(zip(op.lhs_dims, tensor(op.lhs).shape, strict=True))
            extents |= dict(zip(op.rhs_dims, tensor(op.rhs).shape, strict=True))
            return float(math.prod(extents.values()))
        case graph_compute.Conv2d():
            return float(result.elements * math.prod(tensor(op.weight).shape[1:]))
        case graph_compute.Pool2d():
            return float(result.elements * math.prod(op.kernel))
        case graph_compute.Reduce():
            return float(tensor(op.x).elements)
        case graph_move.Reshape():
            return 0.0
        case _:
            return float(result.elements)


def _crossing(program: Program, work: Sequence[Statement]) -> list[float]:
    """For each cut before work item n, the elements made before it and used from there on.

    A cut between the first use of a state and the making of what is stored to it cannot be.
    """
    position = {s.result: n for n, s in enumerate(work) if s.result is not None}
    last: dict[Value, int] = {}
    first: dict[Value, int] = {}
    for n, statement in enumerate(work):
        for operand in statement.op.operands():
            last[operand] = n
            first.setdefault(operand, n)
    crossing = [0.0] * (len(work) + 1)
    for statement in program.statements:
        match statement.op:
            case graph_structure.Store(state=state, x=x) if state in first and x in position:
                begin, end = first[state], max(last[state], position[x])
                for n in range(begin + 1, end + 1):
                    crossing[n] = math.inf
            case _:
                pass
    for value, made in position.items():
        for n in range(made + 1, last.get(value, made) + 1):
            crossing[n] += tensor(value).elements
    return crossing


def _best_cuts(
    work: Sequence[float],
    crossing: Sequence[float],
    fixed: Sequence[int | None],
    stages: int,
) -> list[int]:
    """Starts of the stages and the end: dynamic programming over the cut before each item."""
    count = len(work)
    before = [0.0]
    for item in work:
        before.append(before[-1] + item)
    entry = [_CROSSING_WEIGHT * words for words in crossing]
    # wrong[stage][n]: of the first n items, those that must be in another stage
    wrong = [
        [0, *accumulate(home is not None and home != stage for home in fixed)]
        for stage in range(stages)
    ]
    # best[n]: for the first n items in the stages so far (slowest part, sum of crossings)
    best: list[tuple[float, float]] = [
        (before[n] if not wrong[0][n] else math.inf, 0.0) for n in range(count + 1)
    ]
    best[0] = _IMPOSSIBLE
    origins: list[list[int]] = []
    for stage in range(1, stages):
        others = wrong[stage]
        following = [_IMPOSSIBLE]
        origin = [0]
        for n in range(1, count + 1):
            slowest, crossed, m = min(
                (
                    max(best[m][0], before[n] - before[m] + entry[m])
                    if others[m] == others[n]
                    else math.inf,
                    best[m][1] + entry[m],
                    m,
                )
                for m in range(n)
            )
            following.append((slowest, crossed))
            origin.append(m)
        best = following
        origins.append(origin)
    if count and math.isinf(best[count][0]):
        raise TileError(
            f"no cut into {stages} stages leaves every state in one of them",
            help="a state lives in one region: ask for fewer stages",
        )
    cuts = [count]
    for origin in reversed(origins):
        cuts.append(origin[cuts[-1]])
    return [0, *reversed(cuts)]
