"""From tensors of a graph to tiles on the PEs of regions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from waferc.analysis.footprint import Footprint, footprints
from waferc.analysis.padding import Padding
from waferc.layouts.candidates import Grid, inner_factors
from waferc.layouts.cost import CostModel
from waferc.layouts.problem import Rates, Step, TileError, problem_of, steps_of
from waferc.layouts.relayout import Relayouts
from waferc.layouts.search import search
from waferc.layouts.stages import Part, cut_entries
from waferc.layouts.strategy import Space, Strategy, local_elements, tensor
from waferc.passes.base import Pass
from waferc.passes.tile_build import RegionWriter, TiledWriter
from waferc.unit import Unit
from waferc_ir.entries import markers
from waferc_ir.machine import Machine
from waferc_ir.ops import graph_structure
from waferc_ir.program import Program, Statement, Value
from waferc_ir.types import Layout, Region

# What a byte of SRAM is worth in cycles, from speed alone (the first only breaks ties) to memory
# at any price. A region takes the first that it fits with.
_RATES = (
    Rates(1 / 64, 1 / 64),
    Rates(1 / 2, 1 / 2),
    Rates(2, 1 / 2),
    Rates(2, 4),
    Rates(8, 1 / 2),
    Rates(8, 8),
    Rates(64, 8),
)
_PROBE = Rates(8, 8)
_PROBE_SLACK = 0.2  # of the SRAM: other rates seldom save more
# Sides of regions that are tried when none is given.
_SIDES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


@dataclass(frozen=True)
class Tile(Pass):
    """Choose a layout for every value and cut operations into tiles, one set per PE.

    Without `width` and `height` (given together or not at all) regions are the smallest nearly
    square ones that the program fits. `stages` regions of that size follow one another; each has
    a consecutive part of the operations. `beam` and `sweeps` bound the search for layouts.
    """

    name = "tile"

    width: int | None = None
    height: int | None = None
    stages: int = 1
    beam: int = 256
    sweeps: int = 4

    def run(self, unit: Unit) -> Unit:
        program, machine = unit.program, unit.machine
        if program.kind != "graph":
            raise TileError(f"program @{program.name} is tiled already")
        parts = cut_entries(program, self.stages)
        factors = inner_factors(program)

        tiled: Program | None = None
        for width, height in self._sizes(program, machine):
            tiling = _Tiling(machine, Grid(width, height, factors), self.beam, self.sweeps)
            if self.width is None:
                # one thrifty attempt tells whether a size is worth the others
                tiled = tiling.write(program, parts, [_PROBE] * len(parts))
                over = max(found.over_bytes for found in footprints(tiled, machine))
                if over > machine.sram_bytes * _PROBE_SLACK:
                    continue
            tiled, worst = _fastest(tiling, program, parts, machine)
            if worst.over_bytes <= 0:
                break
            if worst.over_bytes >= worst.state_bytes + worst.activation_bytes:
                break  # the code alone is too large, and larger regions do not shrink it
        assert tiled is not None
        # what does not fit is refused by allocate, with a table
        return unit.with_program(tiled)

    def _sizes(self, program: Program, machine: Machine) -> Iterator[tuple[int, int]]:
        """Region sizes to try, smallest first: the given one, or squares that hold the weights."""
        if (self.width is None) != (self.height is None):
            raise TileError(
                "a region has a width and a height, and one of them is missing",
                help="give both, or none to let the compiler choose",
            )
        if self.width is not None and self.height is not None:
            machine.grid(self.width, self.height)
            yield self.width, self.height
            return
        room = machine.sram_bytes - machine.reserved_bytes
        weights = sum(_parameter_bytes(s) for s in program.statements)
        found = 0
        for side in _SIDES:
            width = min(side, machine.program_width)
            height = min(side, machine.program_height)
            across = machine.program_width // width
            if self.stages > across * (machine.program_height // height):
                break
            if weights <= room * width * height * self.stages:
                found += 1
                yield width, height
            if (width, height) != (side, side):
                break
        if not found:
            raise TileError(
                f"the weights of @{program.name} do not fit {machine.name}",
                notes=[
                    f"they take {weights:,} bytes; a PE has {room:,} bytes beside its code, the"
                    f" program rectangle {machine.program_width} x {machine.program_height} PEs"
                ],
                help="compile for f16, for a larger machine, or with other stages",
            )


def _fastest(
    tiling: _Tiling, program: Program, parts: Sequence[Part], machine: Machine
) -> tuple[Program, Footprint]:
    """The first attempt whose regions all fit, or the one that came nearest; its fullest region.

    Regions that do not fit get the next rates, as long as there are any.
    """
    levels = [0] * len(parts)
    best: tuple[Program, Footprint] | None = None
    while True:
        tiled = tiling.write(program, parts, [_RATES[level] for level in levels])
        found = footprints(tiled, machine)
        worst = max(found, key=lambda footprint: footprint.over_bytes)
        if best is None or worst.over_bytes < best[1].over_bytes:
            best = tiled, worst
        over = [number for number, footprint in enumerate(found) if footprint.over_bytes > 0]
        if not over or all(levels[number] == len(_RATES) - 1 for number in over):
            return best
        for number in over:
            levels[number] = min(levels[number] + 1, len(_RATES) - 1)


class _Tiling:
    """Attempts for one size of regions."""

    def __init__(self, machine: Machine, grid: Grid, beam: int, sweeps: int) -> None:
        self.grid = grid
        self.beam = beam
        self.sweeps = sweeps
        self.cost = CostModel(machine, grid.width, grid.height)
        self.relayouts = Relayouts(self.cost)
        self.steps: dict[Value, Step] = {}

    def write(self, program: Program, parts: Sequence[Part], rates: Sequence[Rates]) -> Program:
        """The tiled program, one region per part, each with its own rates."""
        regions = tuple(
            Region(f"r{number}", self.grid.width, self.grid.height) for number in range(len(parts))
        )
        padding = Padding({region.name: region for region in regions})
        writer = TiledWriter(padding, [label for _, label in markers(program)])
        crossing = [_crossing(entry) for entry in zip(*parts, strict=True)]
        before: RegionWriter | None = None
        for stage, (region, part) in enumerate(zip(regions, parts, strict=True)):
            here = RegionWriter(region.name, writer, self.relayouts)
            arriving = [self._arriving(values[stage], before) for values in crossing]
            strategies = self._choose(part, arriving, rates[stage])
            for number, statements in enumerate(part):
                writer.enter(number)
                for value in arriving[number]:
                    assert before is not None
                    here.receive(value, before, strategies[value].result)
                self._write_all(statements, here, strategies)
            before = here
        return Program(
            "tiled", program.name, writer.statements(), regions, attributes=program.attributes
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

    def _arriving(
        self, values: Sequence[Value], source: RegionWriter | None
    ) -> dict[Value, dict[Layout, int]]:
        """Values that the region before sends, with the price of each way to send them."""
        if source is None:
            return {}
        return {
            value: {
                layout: self._price(value, source, layout)
                for layout in self.grid.layouts(tensor(value).shape)
                if layout.split_of("x") is None
            }
            for value in values
        }

    def _price(self, value: Value, source: RegionWriter, layout: Layout) -> int:
        given = tensor(value)
        there = min(
            self.relayouts.find(given.shape, given.dtype, have, layout).cycles
            for have in source.versions[value]
        )
        down = layout.split_of("y") is None and self.grid.height > 1
        return there + self.cost.transfer(local_elements(given.shape, layout), down)

    def _choose(
        self,
        part: Part,
        arriving: Sequence[Mapping[Value, Mapping[Layout, int]]],
        rates: Rates,
    ) -> dict[Value, Strategy]:
        space = Space(self.grid, self.cost)
        every = {value: options for found in arriving for value, options in found.items()}
        steps = steps_of(part, every, space, self.steps)
        problem = problem_of(steps, self.relayouts, rates)
        solution = search(problem, self.beam, self.sweeps)
        return {
            step.result: step.strategies[choice]
            for step, choice in zip(steps, solution.choices, strict=True)
        }


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
        crossing.append(list(needed))
    return crossing[::-1]


def _parameter_bytes(statement: Statement) -> int:
    op = statement.op
    result = statement.result
    if result is None or not isinstance(op, graph_structure.Parameter | graph_structure.State):
        return 0
    return tensor(result).elements * op.dtype.size_bytes
