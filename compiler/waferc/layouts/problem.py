"""The layout search as arrays: steps with strategies, values with layouts and relayout prices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from waferc.layouts.code_size import ALL_REDUCE_BYTES
from waferc.layouts.families import FAMILIES
from waferc.layouts.relayout import NEVER, Relayout, Relayouts
from waferc.layouts.strategy import Space, Strategy, local_elements, tensor
from waferc_ir.diagnostics import WaferError, collect
from waferc_ir.ops import graph_structure
from waferc_ir.program import Statement, Value
from waferc_ir.types import Layout


class TileError(WaferError):
    """A graph cannot be spread over a region."""

    code = "tile"


@dataclass(frozen=True, slots=True)
class Rates:
    """What a byte of SRAM is worth in cycles: of weights and code, and of tiles that come and go.

    Tiles share memory over time, so that the peak is what counts; the search sees their sum.
    """

    lasting: float
    passing: float

    def of(self, way: Relayout, calls: int) -> int:
        """The price of a relayout: cycles of so many calls, the tiles that it makes, its code."""
        size = way.tile_bytes * self.passing + way.code_bytes * self.lasting
        return calls * way.cycles + round(size)

    def scaled(self, factor: float) -> Rates:
        """The rates where all cycles are `factor` times as many."""
        return Rates(self.lasting * factor, self.passing * factor)


@dataclass(frozen=True)
class Step:
    """A choice: how to do one statement, or where a value that comes from outside lies.

    `others` stand for the result in further entries: a state lies in one layout in all of them,
    but what one entry relays is not at hand in the next. `calls` says for each of the results how
    often its entry is called.
    """

    operands: tuple[Value, ...]
    result: Value
    strategies: tuple[Strategy, ...]
    calls: tuple[int, ...]
    others: tuple[Value, ...] = ()

    @property
    def results(self) -> tuple[Value, ...]:
        """All values that the step makes."""
        return (self.result, *self.others)


@dataclass(frozen=True)
class Terms:
    """A value's layouts, and what it costs to have it in another one.

    `free` values (weights, fills) are put in place by the host or made there, in any number of
    layouts: `prices[to]` is the price of one more, and there is no way from one to another.
    """

    layouts: tuple[Layout, ...]
    index: Mapping[Layout, int]
    free: bool
    prices: NDArray[np.int64]  # [layout]: of a tile, in cycles for its bytes
    between: NDArray[np.int64]  # [from, to]


@dataclass(frozen=True)
class Problem:
    """Steps in program order, and terms for each value that they read or make.

    All prices are cycles, bytes converted at the rates that the problem was made with.
    """

    steps: tuple[Step, ...]
    terms: Mapping[Value, Terms]
    costs: tuple[NDArray[np.int64], ...]  # of each step [strategy]
    requests: tuple[tuple[tuple[Value, NDArray[np.intp]], ...], ...]  # of each step, by operand
    homes: tuple[NDArray[np.intp], ...]  # of each step [strategy]: layout of the result


def steps_of(
    entries: Sequence[Sequence[Statement]],
    arriving: Sequence[Mapping[Value, Mapping[Layout, int]]],
    calls: Sequence[int],
    space: Space,
    known: dict[Value, Step],
) -> list[Step]:
    """The steps of the statements of one region, entry by entry.

    Args:
        entries: inputs, weights, fills and operations of each entry; outputs and stores are left
            out.
        arriving: for each entry the values that other regions make, with the layouts in which they
            may come and the cycles of bringing them.
        calls: how often each entry is called.
        space: the region.
        known: steps of earlier attempts in an equal region, by result; new ones are entered.

    Raises:
        TileError: operations that have no strategies; all of them.
    """
    problems: list[WaferError] = []
    steps = [
        Step((), value, _sources(options), (times,))
        for values, times in zip(arriving, calls, strict=True)
        for value, options in values.items()
    ]
    placed: set[Value] = set()
    for number, statements in enumerate(entries):
        here: dict[Value, Value] = {}  # what stands for the states in this entry
        for statement in statements:
            op, result = statement.op, statement.result
            if result is None or isinstance(op, graph_structure.Parameter | graph_structure.Fill):
                continue
            if result not in known:
                is_state = isinstance(op, graph_structure.State)
                others = tuple(Value(result.type) for _ in entries[1:]) if is_state else ()
                operands = tuple(here.get(value, value) for value in op.operands())
                strategies = _strategies(statement, space, problems)
                times = tuple(calls) if is_state else (calls[number],)
                known[result] = Step(operands, result, strategies, times, others)
            step = known[result]
            if isinstance(op, graph_structure.State):
                here[result] = step.results[number]
                if result in placed:
                    continue
                placed.add(result)
            steps.append(step)
    error = collect(problems)
    if error is not None:
        raise error
    return _as_asked(steps, {s.result for e in entries for s in e if _is_input(s)})


def _is_input(statement: Statement) -> bool:
    return isinstance(statement.op, graph_structure.Input)


def _as_asked(steps: Sequence[Step], inputs: set[Value | None]) -> list[Step]:
    """The steps, with inputs also in layouts that do not begin at PE 0 and that a reader asks for.

    The host puts them there; nothing else could bring them.
    """
    asked: dict[Value, dict[Layout, None]] = {}
    for step in steps:
        for position, operand in enumerate(step.operands):
            layouts = (strategy.operands[position] for strategy in step.strategies)
            asked.setdefault(operand, {}).update(
                dict.fromkeys(one for one in layouts if any(s and s.first for s in one.splits))
            )
    return [
        replace(step, strategies=step.strategies + _sources(dict.fromkeys(more, 0)))
        if step.result in inputs and (more := asked.get(step.result))
        else step
        for step in steps
    ]


def _strategies(
    statement: Statement, space: Space, problems: list[WaferError]
) -> tuple[Strategy, ...]:
    op = statement.op
    if isinstance(op, graph_structure.Input | graph_structure.State):
        return _sources(dict.fromkeys(space.grid.layouts(op.shape), 0))
    family = FAMILIES.get(type(op))
    if family is not None:
        return tuple(family.strategies(op, space))
    message = f"{op.name} has no layout strategies"
    problems.append(TileError(message, statement.at, help="run the decompose pass before tile"))
    return ()


def _sources(options: Mapping[Layout, int]) -> tuple[Strategy, ...]:
    return tuple(Strategy((), layout, cycles) for layout, cycles in options.items())


def problem_of(steps: Sequence[Step], relayouts: Relayouts, rates: Rates) -> Problem:
    """Number layouts and price them; `cycles_per_byte` is what a byte of SRAM is worth."""
    terms = _all_terms(steps, relayouts, rates)
    costs: list[NDArray[np.int64]] = []
    requests: list[tuple[tuple[Value, NDArray[np.intp]], ...]] = []
    homes: list[NDArray[np.intp]] = []
    for step in steps:
        here = terms[step.result]
        home = np.array([here.index[s.result] for s in step.strategies], np.intp)
        own = [
            step.calls[0] * s.cycles + round(s.reductions * ALL_REDUCE_BYTES * rates.lasting)
            for s in step.strategies
        ]
        costs.append(np.array(own, np.int64) + here.prices[home])
        homes.append(home)
        asked: dict[tuple[Value, tuple[int, ...]], None] = {}
        for position, operand in enumerate(step.operands):
            index = terms[operand].index
            asked[operand, tuple(index[s.operands[position]] for s in step.strategies)] = None
        requests.append(tuple((value, np.array(wanted, np.intp)) for value, wanted in asked))
    return Problem(tuple(steps), terms, tuple(costs), tuple(requests), tuple(homes))


def _all_terms(steps: Sequence[Step], relayouts: Relayouts, rates: Rates) -> dict[Value, Terms]:
    layouts: dict[Value, dict[Layout, None]] = {}
    made: dict[Value, int] = {}  # what steps make, and how often
    for step in steps:
        made.update(zip(step.results, step.calls, strict=True))
        for result in step.results:
            layouts.setdefault(result, {}).update(
                dict.fromkeys(strategy.result for strategy in step.strategies)
            )
        for position, operand in enumerate(step.operands):
            layouts.setdefault(operand, {}).update(
                dict.fromkeys(strategy.operands[position] for strategy in step.strategies)
            )
    shared: dict[tuple[object, ...], Terms] = {}
    terms: dict[Value, Terms] = {}
    for value, found in layouts.items():
        key = (value.type, tuple(found), made.get(value))
        if key not in shared:
            shared[key] = _terms(value, found, made.get(value), relayouts, rates)
        terms[value] = shared[key]
    return terms


def _terms(
    value: Value,
    found: Iterable[Layout],
    calls: int | None,
    relayouts: Relayouts,
    rates: Rates,
) -> Terms:
    """The terms of a value that is made `calls` times; None: it is put in place."""
    given = tensor(value)
    layouts = tuple(found)
    tile_bytes = [local_elements(given.shape, t) * given.dtype.size_bytes for t in layouts]
    rate = rates.lasting if calls is None else rates.passing
    prices = np.array([round(size * rate) for size in tile_bytes], np.int64)
    if calls is None:
        between = np.full((len(layouts), len(layouts)), NEVER, np.int64)
    else:
        ways = [[relayouts.find(given.shape, given.dtype, a, b) for b in layouts] for a in layouts]
        between = np.array(
            [[rates.of(way, calls) for way in row] for row in ways],
            np.int64,
        )
    np.fill_diagonal(between, 0)
    index = {layout: number for number, layout in enumerate(layouts)}
    return Terms(layouts, index, calls is None, prices, between)
