"""Cutting a graph into consecutive stages of balanced work, where few values cross."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from types import MappingProxyType

from waferc.layouts.problem import TileError
from waferc.layouts.repeats import Repeats, find_repeats
from waferc.layouts.strategy import result_of, tensor
from waferc_ir.entries import entries, single
from waferc_ir.ops import graph_compute, graph_move, graph_structure
from waferc_ir.ops.declare import Op
from waferc_ir.program import Program, Statement, Value

_IMPOSSIBLE = (math.inf, math.inf)
_SMALLEST_PIECE = 0.1  # of the work of a block that repeats
_CROSSING_WEIGHT = 4.0  # an element that crosses costs as much work as so many multiply-adds

Part = Sequence[Sequence[Statement]]  # what a region does, entry by entry


def natural_stages(program: Program) -> int:
    """How many stages the program's own structure makes: its repeated blocks, and what remains."""
    found = [_Work(single(program, entry)).bounds() for entry in entries(program)]
    return min(len(bounds) - 1 for bounds in found)


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
    of some. What is cheaper to compute than to send stands in every part that uses it. Blocks that
    repeat stay whole if there are enough of them. Minimises the work of the slowest part, then what
    crosses the cuts.

    Raises:
        TileError: there are fewer operations than stages, no stage is wanted, or states would have
            to be in two stages.
    """
    found = _Work(program, is_cut=stages > 1)
    if len(found.items) < stages:  # little more than what is cheap: it is spread as well
        found = _Work(program, is_cut=False)
    work = found.items
    if not 1 <= stages <= max(1, len(work)):
        raise TileError(
            f"{len(work)} operations do not make {stages} stages",
            help=f"ask for 1 to {max(1, len(work))} stages",
        )
    bounds = found.bounds()
    if len(bounds) <= stages:
        bounds = list(range(len(work) + 1))
    cuts = [bounds[n] for n in _best_cuts(found, _fixed(program, work, homes), bounds, stages)]
    stage_of: dict[Value, int] = {}
    parts: list[list[Statement]] = []
    for stage in range(stages):
        part: list[Statement] = []
        here: set[Value] = set()
        for statement in work[cuts[stage] : cuts[stage + 1]]:
            for operand in statement.op.operands():
                part += found.brought(operand, here)
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
            part = _home(x, found.sources.get(x), parts, {**stage_of, **homes})
            _insert(part, found, x)
            part.append(statement)
        if isinstance(statement.op, graph_structure.Store):
            op = statement.op
            known = stage_of | {op.state: homes.get(op.state, stage_of.get(op.x, 0))}
            part = _home(op.state, found.sources[op.state], parts, known)
            for operand in op.operands():
                _insert(part, found, operand)
            part.append(statement)
    return parts


def _insert(part: list[Statement], found: _Work, value: Value) -> None:
    """Put what a value comes from into a part that lacks it, where no part alone makes it."""
    here = {s.result for s in part if s.result is not None}
    missing = found.brought(value, here)
    part[:0] = [s for s in missing if not s.op.operands()]
    part += [s for s in missing if s.op.operands()]


class _Work:
    """The operations of a program that are spread over stages, and what comes with them.

    `sources` are statements that stand in every part that uses them: weights, inputs, fills and,
    if the program `is_cut`, what is cheaper to compute again than to send.
    """

    def __init__(self, program: Program, *, is_cut: bool = True) -> None:
        self.sources = {
            s.result: s for s in program.statements if s.result is not None and not _is_work(s)
        }
        if is_cut:
            self.sources |= _cheap(program)
        self.items = [s for s in program.statements if _is_work(s) and s.result not in self.sources]
        self.crossing = _crossing(program, self.items)

    def brought(self, value: Value, here: set[Value]) -> list[Statement]:
        """Sources that a value needs and that are not `here`, in order; they are entered there."""
        if value not in self.sources or value in here:
            return []
        here.add(value)
        statement = self.sources[value]
        before = [s for x in statement.op.operands() for s in self.brought(x, here)]
        return [*before, statement]

    def bounds(self) -> list[int]:
        """Cuts around repeated blocks, and inside them where no more crosses than between them."""
        found = find_repeats(self.items, self.sources, self.crossing)
        if found is None or 2 * found.count * found.period < len(self.items):
            return [0, len(self.items)]
        starts = [found.start + n * found.period for n in range(found.count)]
        cuts = {start + shift for shift in self._waists(found) for start in starts}
        return sorted({0, *cuts, found.start + found.count * found.period, len(self.items)})

    def _waists(self, found: Repeats) -> list[int]:
        """Places in a block where to cut it, its beginning first; each piece has work to do."""
        starts = [found.start + n * found.period for n in range(found.count)]
        block = self.items[found.start : found.start + found.period]
        done = [0.0, *accumulate(work_of(s.op) for s in block)]
        least = _SMALLEST_PIECE * done[-1]
        between = max(self.crossing[start] for start in starts[1:])
        waists = [0]
        for shift in range(1, found.period):
            narrow = all(self.crossing[start + shift] <= between for start in starts)
            if narrow and done[shift] - done[waists[-1]] >= least <= done[-1] - done[shift]:
                waists.append(shift)
        return waists


def _cheap(program: Program) -> dict[Value, Statement]:
    """What comes from inputs and small weights alone with less work than sending it takes."""
    sources: dict[Value, frozenset[Value]] = {}  # of what may be cheap: all that it comes from
    costs: dict[Value, float] = {}
    found: dict[Value, Statement] = {}
    for statement in program.statements:
        op, result = statement.op, statement.result
        if result is None or isinstance(op, graph_structure.State):
            continue
        if isinstance(op, graph_structure.Parameter):
            costs[result] = float(tensor(result).elements)  # as it takes memory in every stage
        elif _is_work(statement):
            costs[result] = work_of(op)
        else:
            costs[result] = 0.0
        if not all(operand in sources for operand in op.operands()):
            continue
        sources[result] = frozenset({result}).union(*(sources[x] for x in op.operands()))
        cost = sum(costs[value] for value in sources[result])
        if cost > _CROSSING_WEIGHT * tensor(result).elements:
            del sources[result]
        elif _is_work(statement):
            found[result] = statement
    return found


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

    A cut between two uses of a state, or before the making of what is stored to it, cannot be.
    """
    position = {s.result: n for n, s in enumerate(work) if s.result is not None}
    last: dict[Value, int] = {}
    first: dict[Value, int] = {}
    for n, statement in enumerate(work):
        for operand in statement.op.operands():
            last[operand] = n
            first.setdefault(operand, n)
    crossing = [0.0] * (len(work) + 1)
    becomes = {
        s.op.state: s.op.x for s in program.statements if isinstance(s.op, graph_structure.Store)
    }
    for statement in program.statements:
        state = statement.result
        if isinstance(statement.op, graph_structure.State) and state in first:
            end = max(last[state], position.get(becomes.get(state, state), 0))
            for n in range(first[state] + 1, end + 1):
                crossing[n] = math.inf
    for value, made in position.items():
        for n in range(made + 1, last.get(value, made) + 1):
            crossing[n] += tensor(value).elements
    return crossing


def _best_cuts(
    found: _Work, fixed: Sequence[int | None], bounds: Sequence[int], stages: int
) -> list[int]:
    """Starts of the stages and the end, by number in `bounds`: dynamic programming over these."""
    count = len(bounds) - 1
    done = [0.0, *accumulate(work_of(s.op) for s in found.items)]
    before = [done[bound] for bound in bounds]
    entry = [_CROSSING_WEIGHT * found.crossing[bound] for bound in bounds]
    # wrong[stage][n]: of what stands before bound n, items that must be in another stage
    wrong: list[list[int]] = []
    for stage in range(stages):
        strays = [0, *accumulate(home is not None and home != stage for home in fixed)]
        wrong.append([strays[bound] for bound in bounds])
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
