"""Parts of a program on regions of given sizes: layouts searched once for parts that are alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from waferc.analysis.padding import Padding
from waferc.layouts.candidates import Factors, Grid, inner_factors
from waferc.layouts.cost import CostModel
from waferc.layouts.problem import Problem, Rates, Step, problem_of, steps_of
from waferc.layouts.relayout import Relayouts
from waferc.layouts.repeats import Form, form_of
from waferc.layouts.shelves import shelves, wafers
from waferc.layouts.stages import Part
from waferc.layouts.strategy import Space, Strategy, local_elements, tensor
from waferc.passes.tile_build import RegionWriter, TiledWriter
from waferc_ir.entries import entries, markers
from waferc_ir.machine import Machine
from waferc_ir.ops import graph_structure
from waferc_ir.program import Program, Statement, Value
from waferc_ir.types import Layout, Region

Size = tuple[int, int]
Homes = Mapping[Value, Sequence[Layout]]  # layouts in which a region has values
Find = Callable[[Problem], Sequence[int]]  # a strategy for each step, by number


@dataclass
class _Ground:
    """What is known of regions of one size."""

    grid: Grid
    cost: CostModel
    relayouts: Relayouts
    steps: dict[Value, Step] = field(default_factory=lambda: {})


class Tiling:
    """Attempts to write the parts of a program on regions.

    `kinds` numbers the parts: alike ones have equal numbers, and share what is found for one.
    `rates` are what a byte of SRAM may be worth to `find`, from speed alone to memory at any price.
    """

    def __init__(
        self,
        program: Program,
        parts: Sequence[Part],
        machine: Machine,
        find: Find,
        rates: Sequence[Rates],
    ) -> None:
        self.program = program
        self.parts = parts
        self.machine = machine
        self.find = find
        self.rates = rates
        self._factors: Factors = inner_factors(program)
        self._grounds: dict[Size, _Ground] = {}
        by_entry = [_crossing(entry) for entry in zip(*parts, strict=True)]
        self._crossing = [[values[stage] for values in by_entry] for stage in range(len(parts))]
        forms: dict[tuple[Form, ...], int] = {}
        self.kinds = [
            forms.setdefault(_form(part, crossing), len(forms))
            for part, crossing in zip(parts, self._crossing, strict=True)
        ]
        self._calls = [entry.calls for entry in entries(program)]
        self._known: dict[tuple[object, ...], tuple[Strategy, ...]] = {}

    def write(self, sizes: Sequence[Size], rates: Sequence[Rates]) -> Program:
        """The tiled program, one region per part, of these sizes and each with its own rates."""
        regions = tuple(Region(f"r{number}", *size) for number, size in enumerate(sizes))
        padding = Padding({region.name: region for region in regions})
        writer = TiledWriter(padding, [marker for _, marker in markers(self.program)])
        shelf = shelves([width for width, _ in sizes], self.machine.program_width)
        wafer = wafers(sizes, self.machine)
        before: RegionWriter | None = None
        for stage, (region, part) in enumerate(zip(regions, self.parts, strict=True)):
            ground = self._ground(sizes[stage])
            here = RegionWriter(region.name, writer, ground.relayouts)
            ends = (stage - 1, stage)
            apart = stage > 0 and wafer[stage - 1] != wafer[stage]
            # the host hands over what goes to another wafer, row by row as well
            level = stage > 0 and (apart or len({(sizes[n][1], shelf[n]) for n in ends}) == 1)
            strategies = self._choose(stage, sizes[stage], rates[stage], before, rows=level)
            for number, statements in enumerate(part):
                writer.enter(number)
                for value in self._crossing[stage][number]:
                    assert before is not None
                    here.receive(value, before, strategies[value].result, apart=apart)
                self._write_all(statements, here, strategies)
            before = here
        return Program(
            "tiled",
            self.program.name,
            writer.statements(),
            regions,
            attributes=self.program.attributes,
        )

    def _write_all(
        self,
        statements: Sequence[Statement],
        here: RegionWriter,
        strategies: Mapping[Value, Strategy],
    ) -> None:
        """What a region does in one entry."""
        stores: list[Statement] = []
        for statement in statements:
            if isinstance(statement.op, graph_structure.Store):
                stores.append(statement)
            else:
                self._write(statement, here, strategies)
        # behind all else, as what a state holds is read until then
        for op, at in [(here.store(statement), statement.at) for statement in stores]:
            here.writer.effect(op, at)

    def _write(
        self, statement: Statement, here: RegionWriter, strategies: Mapping[Value, Strategy]
    ) -> None:
        match statement.op:
            case graph_structure.Parameter() | graph_structure.Fill():
                here.declare(statement)
            case graph_structure.Output():
                here.output(statement)
            case graph_structure.Input() | graph_structure.State():
                assert statement.result is not None
                here.input(statement, strategies[statement.result].result)
            case _:
                assert statement.result is not None
                here.compute(statement, strategies[statement.result])

    def _choose(
        self, stage: int, size: Size, rates: Rates, before: RegionWriter | None, *, rows: bool
    ) -> dict[Value, Strategy]:
        """Strategies of a part and of what arrives for it; row by row only if `rows`.

        They are searched once for parts that are alike and get what arrives in equal layouts.
        """
        homes: list[Homes] = [
            {} if before is None else {value: tuple(before.versions[value]) for value in values}
            for values in self._crossing[stage]
        ]
        arriving = tuple(tuple(entry.values()) for entry in homes)
        key = (self.kinds[stage], size, rates, rows, arriving)
        if key not in self._known:
            ground = self._ground(size)
            ways = [self._arriving(entry, ground, rows=rows) for entry in homes]
            space = Space(ground.grid, ground.cost)
            steps = steps_of(self.parts[stage], ways, self._calls, space, ground.steps)
            mean = sum(self._calls) / len(self._calls)
            problem = problem_of(steps, ground.relayouts, rates.scaled(mean))
            self._known[key] = tuple(
                step.strategies[choice]
                for step, choice in zip(steps, self.find(problem), strict=True)
            )
        return dict(zip(self._chosen_for(stage), self._known[key], strict=True))

    def _chosen_for(self, stage: int) -> list[Value]:
        """The values of a part for which something is chosen, in the order of its steps."""
        found = dict.fromkeys(value for entry in self._crossing[stage] for value in entry)
        for statements in self.parts[stage]:
            for statement in statements:
                is_free = isinstance(statement.op, graph_structure.Parameter | graph_structure.Fill)
                if statement.result is not None and not is_free:
                    found[statement.result] = None
        return list(found)

    def _arriving(
        self, homes: Homes, ground: _Ground, rows: bool
    ) -> dict[Value, dict[Layout, int]]:
        """The price of each way in which values may arrive; row by row only if `rows`."""
        return {
            value: {
                layout: self._price(value, have, layout, ground)
                for layout in ground.grid.layouts(tensor(value).shape)
                if layout.split_of("x") is None and (rows or layout.split_of("y") is None)
            }
            for value, have in homes.items()
        }

    def _price(self, value: Value, homes: Sequence[Layout], layout: Layout, ground: _Ground) -> int:
        given = tensor(value)
        there = min(
            ground.relayouts.find(given.shape, given.dtype, have, layout).cycles for have in homes
        )
        down = layout.split_of("y") is None and ground.grid.height > 1
        return there + ground.cost.transfer(local_elements(given.shape, layout), down)

    def _ground(self, size: Size) -> _Ground:
        if size not in self._grounds:
            cost = CostModel(self.machine, *size)
            grid = Grid(*size, self._factors)
            self._grounds[size] = _Ground(grid, cost, Relayouts(cost))
        return self._grounds[size]


def part_bytes(part: Part) -> int:
    """Bytes of the weights and states of a part, those of several entries once."""
    return sum(tensor(value).elements * tensor(value).dtype.size_bytes for value in kept(part))


def kept(part: Part) -> dict[Value, Statement]:
    """The weights and states of a part, those of several entries once."""
    return {
        statement.result: statement
        for statements in part
        for statement in statements
        if statement.result is not None
        and isinstance(statement.op, graph_structure.Parameter | graph_structure.State)
    }


def _form(part: Part, crossing: Sequence[Sequence[Value]]) -> tuple[Form, ...]:
    return tuple(
        form_of(statements, values) for statements, values in zip(part, crossing, strict=True)
    )


def _crossing(parts: Sequence[Sequence[Statement]]) -> list[list[Value]]:
    """For each part, the values made in parts before it that it or a later one reads.

    Every part passes on what later ones need, so that streams join neighbours only.
    """
    crossing: list[list[Value]] = []
    needed: dict[Value, None] = {}
    for part in reversed(parts):
        for statement in part:
            needed |= dict.fromkeys(statement.op.operands())
        own = {statement.result for statement in part}
        needed = {value: None for value in needed if value not in own}
        # in the order in which the part reads them: the same for parts that are alike
        read = dict.fromkeys(x for s in part for x in s.op.operands() if x in needed)
        crossing.append(list(read | needed))
    return crossing[::-1]
