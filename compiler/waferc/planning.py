"""Which plan a program gets: a grid, stages and layouts, as far as the level says to search.

Level 2 tiles the program in many ways, compares them by the cost model, and goes on from the best:
wider searches and random changes of layouts first, then other stages and other grids. A plan is
what all passes leave, so that what counts is what is emitted, and a plan that does not fit drops
out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from waferc.emit.emit import emit
from waferc.layouts.estimate import program_cycles
from waferc.options import CompileOptions, OptionError
from waferc.passes.base import Pass
from waferc.passes.tile import Tile
from waferc.pipeline import Observe, Placed, passes_for, run_passes, run_placed
from waferc.unit import Unit
from waferc_ir.diagnostics import WaferError
from waferc_ir.entries import entries
from waferc_ir.ops import tile_structure
from waferc_runtime.host.bundle import make_bundle
from waferc_runtime.host.engines import PHANTOM
from waferc_runtime.host.session import Session
from waferc_runtime.host.wafers import link_cycles
from waferc_runtime.run_error import RunError

Say = Callable[[str], None]

_BEAM, _SWEEPS = 1024, 12
_KICKS = 24  # random changes of layouts that a plan gets
_SEEDS = (1, 2, 3)
_STEPS = (2.0, 1.4, 1.19)  # by which grids grow and shrink, coarse first
_WORTH = 0.999  # of the cycles before: less is no reason to go on


@dataclass(frozen=True, slots=True)
class Plan:
    """A program through all passes; `cycles` of each entry by the cost model, `total` in all calls.

    What several wafers take is added up, with the way from one to the next.

    `measured` are those of a run without data, if there was one.
    """

    tile: Tile
    placed: Placed
    cycles: dict[str, int]
    total: int
    history: tuple[tuple[Pass, Unit, float], ...]
    measured: int | None = None

    def __str__(self) -> str:
        regions = self.placed.whole.program.regions
        sizes = ", ".join(f"{r.width} x {r.height}" for r in regions[:1])
        more = f" and {len(regions) - 1} more" if len(regions) > 1 else ""
        return f"{self.total:,} cycles on {sizes}{more} PEs"


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan that was chosen, how many were tried, and why the search ended."""

    plan: Plan
    tried: int
    seconds: float
    ended: str

    def __str__(self) -> str:
        ran = "" if self.plan.measured is None else f", measured {self.plan.measured:,}"
        return (
            f"{self.tried} plans in {self.seconds:.1f} s ({self.ended}): {self.plan} estimated{ran}"
        )


def plan(
    unit: Unit,
    options: CompileOptions,
    observe: Observe = lambda one, unit, seconds: None,
    say: Say = lambda text: None,
) -> Planned:
    """Take a graph program through all passes.

    The same program and options give the same plan, unless the time budget ends the search.

    Args:
        unit: the program as it was lowered.
        options: the level of the search, its time budget, and what is fixed.
        observe: called for every pass of the plan that is taken.
        say: called with each plan that is better than those before.

    Raises:
        WaferError: no plan fits; or a pass refuses the program.
    """
    start = time.perf_counter()
    passes = passes_for(options)
    number = next(n for n, one in enumerate(passes) if isinstance(one, Tile))
    if options.optimize < 2:
        placed = run_placed(unit, passes, options.wafers, observe)
        return Planned(
            _plan(Tile(), placed, ()), 1, time.perf_counter() - start, "nothing to compare"
        )
    unit = run_passes(unit, passes[:number], observe)
    search = _Search(unit, passes[number + 1 :], start + options.budget_seconds, say)
    first = passes[number]
    assert isinstance(first, Tile)
    search.run(first, is_free=options.region is None, may_cut=options.stages is None)
    best = search.fastest(options.measure)
    for one, after, seconds in best.history:
        observe(one, after, seconds)
    ended = "the time budget is spent" if search.is_late else "nothing more to try"
    return Planned(best, search.tried, time.perf_counter() - start, ended)


def _plan(tile: Tile, placed: Placed, history: Sequence[tuple[Pass, Unit, float]]) -> Plan:
    program = placed.whole.program
    cycles = {entry.label: _between(placed, entry.label) for entry in entries(program)}
    for unit in placed.wafers:
        for label, own in program_cycles(unit.program, unit.machine).items():
            cycles[label] += own
    total = sum(entry.calls * cycles[entry.label] for entry in entries(program))
    return Plan(tile, placed, cycles, total, tuple(history))


def _between(placed: Placed, entry: str) -> int:
    """Cycles of the way from wafer to wafer in a call of an entry."""
    sizes: dict[int, int] = {}
    for link in placed.links:
        if link.entry == entry:
            sizes[link.source] = sizes.get(link.source, 0) + link.size_bytes
    return sum(link_cycles(placed.whole.machine, size)[1] for size in sizes.values())


@dataclass
class _Search:
    """Plans of one program that were tried, the best first."""

    unit: Unit
    rest: Sequence[Pass]
    deadline: float
    say: Say
    found: list[Plan] = field(default_factory=lambda: [])
    known: dict[Tile, Plan | None] = field(default_factory=lambda: {})
    failure: WaferError | None = None
    is_late: bool = False

    @property
    def tried(self) -> int:
        """How many plans were."""
        return len(self.known)

    @property
    def best(self) -> Plan:
        """The plan of fewest cycles; of equal ones, that found first. Raises what refused all."""
        if not self.found:
            assert self.failure is not None
            raise self.failure
        return min(self.found, key=lambda plan: plan.total)

    def run(self, first: Tile, *, is_free: bool, may_cut: bool) -> None:
        """Try plans from a first one on: other stages if it `may_cut`, grids if they are free."""
        self.attempt(first)
        if may_cut:
            self.attempt(replace(first, stages=0))
        if is_free and self.found:
            self._grids()
        base = self.best.tile
        self.attempt(replace(base, beam=_BEAM, sweeps=_SWEEPS))
        for seed in _SEEDS:
            self.attempt(replace(base, beam=_BEAM, sweeps=_SWEEPS, kicks=_KICKS, seed=seed))

    def _grids(self) -> None:
        """From the best plan's grid to larger and smaller ones, as long as that makes it faster."""
        for step in _STEPS:
            improving = True
            while improving and not self.is_late:
                before = self.best.total
                for width, height in self._around(self.best, step):
                    self.attempt(replace(self.best.tile, width=width, height=height))
                improving = self.best.total < _WORTH * before

    def _around(self, plan: Plan, step: float) -> Iterator[tuple[int, int]]:
        """Grids next to a plan's, on which its regions have room side by side."""
        machine, regions = self.unit.machine, plan.placed.whole.program.regions
        width, height = max(r.width for r in regions), max(r.height for r in regions)
        for across, down in _DIRECTIONS:
            size = _scaled(width, step**across), _scaled(height, step**down)
            if size[0] > machine.program_width or size[1] > machine.program_height:
                continue
            shelves = (machine.program_width // size[0]) * (machine.program_height // size[1])
            if size != (width, height) and shelves * plan.tile.wafers >= len(regions):
                yield size

    def attempt(self, tile: Tile) -> None:
        """Tile in one way, unless there is no time left for it."""
        if tile in self.known or self.is_late:
            return
        if self.known and time.perf_counter() >= self.deadline:
            self.is_late = True
            return
        self.known[tile] = None
        history: list[tuple[Pass, Unit, float]] = []

        def record(one: Pass, after: Unit, seconds: float) -> None:
            history.append((one, after, seconds))

        try:
            placed = run_placed(self.unit, (tile, *self.rest), tile.wafers, record)
        except WaferError as problem:
            self.failure = self.failure or problem
            return
        found = _plan(tile, placed, history)
        self.known[tile] = found
        if not self.found or found.total < self.best.total:
            self.say(str(found))
        self.found.append(found)

    def fastest(self, measure: int) -> Plan:
        """The best plan; of the `measure` best, that which takes fewest cycles without data."""
        best = self.best
        if measure == 0:
            return best
        order = sorted(self.found, key=lambda plan: plan.total)
        different: dict[int, Plan] = {}
        for plan in order:
            different.setdefault(plan.total, plan)
        try:
            runs = [_measured(plan) for plan in list(different.values())[:measure]]
        except RunError as problem:  # how long some functions take depends on what they are given
            raise OptionError(
                f"plans cannot be measured without data: {problem.message}",
                problem.at,
                help="compare them by the cost model alone, without measure",
            ) from None
        return min(runs, key=lambda plan: plan.measured or 0)


_DIRECTIONS = ((1, 1), (1, 0), (0, 1), (1, -1), (-1, 1), (-1, 0), (0, -1), (-1, -1))


def _scaled(extent: int, factor: float) -> int:
    """An extent that is larger or smaller by a factor, by 1 at least."""
    if factor == 1:
        return extent
    scaled = round(extent * factor)
    return max(1, scaled + (scaled == extent and (1 if factor > 1 else -1)))


def _measured(plan: Plan) -> Plan:
    """A plan with the cycles that its entries take without data, in all calls."""
    calls = {entry.label: entry.calls for entry in entries(plan.placed.whole.program)}
    total = sum(count * _between(plan.placed, label) for label, count in calls.items())
    for unit in plan.placed.wafers:
        emitted = emit(unit)
        ops = [statement.op for statement in unit.program.statements]
        labels = {op.label: None for op in ops if isinstance(op, tile_structure.State)}
        bundle = make_bundle({**emitted.manifest, "without_data": [*labels]}, emitted.sources, {})
        session = Session(bundle, PHANTOM)
        total += sum(
            count * session.measure(entry=label).statistics.cycles for label, count in calls.items()
        )
    return replace(plan, measured=total)
