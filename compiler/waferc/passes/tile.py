"""From tensors of a graph to tiles on the PEs of regions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from waferc.analysis.footprint import footprints
from waferc.analysis.padding import Padding
from waferc.layouts.candidates import Grid, inner_factors
from waferc.layouts.cost import CostModel
from waferc.layouts.problem import Step, TileError, problem_of, steps_of
from waferc.layouts.relayout import Relayouts
from waferc.layouts.search import search
from waferc.layouts.stages import cut
from waferc.layouts.strategy import Space, Strategy, local_elements, tensor
from waferc.passes.base import Pass
from waferc.passes.tile_build import RegionWriter, TiledWriter
from waferc.unit import Unit
from waferc_ir.machine import Machine
from waferc_ir.ops import graph_structure
from waferc_ir.program import Program, Statement, Value
from waferc_ir.types import Layout, Region

# What a byte of SRAM is worth in cycles. The first only breaks ties; the others trade speed for
# memory, and are tried in turn until the program fits.
_CYCLES_PER_BYTE = (1 / 64, 0.5, 8.0, 128.0)
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
    beam: int = 96
    sweeps: int = 4

    def run(self, unit: Unit) -> Unit:
        program, machine = unit.program, unit.machine
        if program.kind != "graph":
            raise TileError(f"program @{program.name} is tiled already")
        parts = cut(program, self.stages)
        factors = inner_factors(program)

        def tilings(grid: Grid, rates: Sequence[float]) -> Iterator[tuple[int, Program]]:
            for rate in rates:
                tiling = _Tiling(machine, grid, rate, self.beam, self.sweeps)
                tiled = tiling.write(program, parts)
                yield max(f.over_bytes for f in footprints(tiled, machine)), tiled

        thrifty: tuple[int, Program] | None = None
        for width, height in self._sizes(program, machine):
            grid = Grid(width, height, factors)
            # the thriftiest tells at once whether the size is worth the others
            over, tiled = thrifty = next(tilings(grid, _CYCLES_PER_BYTE[-1:]))
            if over <= 0:
                faster = (t for excess, t in tilings(grid, _CYCLES_PER_BYTE[:-1]) if excess <= 0)
                return unit.with_program(next(faster, tiled))
        assert thrifty is not None
        # what does not fit is refused by allocate, with a table
        return unit.with_program(thrifty[1])

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


class _Tiling:
    """One attempt: a region size, and a price for memory."""

    def __init__(
        self, machine: Machine, grid: Grid, cycles_per_byte: float, beam: int, sweeps: int
    ) -> None:
        self.grid = grid
        self.cycles_per_byte = cycles_per_byte
        self.beam = beam
        self.sweeps = sweeps
        self.cost = CostModel(machine, grid.width, grid.height)
        self.relayouts = Relayouts(self.cost)

    def write(self, program: Program, parts: Sequence[Sequence[Statement]]) -> Program:
        """The tiled program, one region per part."""
        regions = tuple(
            Region(f"r{number}", self.grid.width, self.grid.height) for number in range(len(parts))
        )
        writer = TiledWriter(Padding({region.name: region for region in regions}))
        made: dict[Value, RegionWriter] = {}
        for region, part in zip(regions, parts, strict=True):
            here = RegionWriter(region.name, writer, self.relayouts)
            arriving = self._arriving(part, made)
            strategies = self._choose(part, arriving)
            for value in arriving:
                here.receive(value, made[value], strategies[value].result)
            for statement in part:
                self._write(statement, here, strategies)
                if statement.result is not None and not _from_outside(statement):
                    made[statement.result] = here
        return Program(
            "tiled", program.name, tuple(writer.statements), regions, attributes=program.attributes
        )

    def _write(
        self, statement: Statement, here: RegionWriter, strategies: Mapping[Value, Strategy]
    ) -> None:
        match statement.op:
            case graph_structure.Parameter() | graph_structure.Fill():
                here.declare(statement)
            case graph_structure.Output():
                here.output(statement)
            case graph_structure.Input():
                assert statement.result is not None
                here.input(statement, strategies[statement.result].result)
            case _:
                assert statement.result is not None
                here.compute(statement, strategies[statement.result])

    def _arriving(
        self, part: Sequence[Statement], made: Mapping[Value, RegionWriter]
    ) -> dict[Value, dict[Layout, int]]:
        """Values that earlier regions made for this part, with the price of each way to send."""
        own = {statement.result for statement in part}
        arriving: dict[Value, dict[Layout, int]] = {}
        for statement in part:
            for value in statement.op.operands():
                if value in own or value in arriving:
                    continue
                given = tensor(value)
                arriving[value] = {
                    layout: self._price(value, made[value], layout)
                    for layout in self.grid.layouts(given.shape)
                    if layout.split_of("x") is None
                }
        return arriving

    def _price(self, value: Value, source: RegionWriter, layout: Layout) -> int:
        given = tensor(value)
        there = min(
            self.relayouts.find(given.shape, given.dtype, have, layout).cycles
            for have in source.versions[value]
        )
        down = layout.split_of("y") is None and self.grid.height > 1
        return there + self.cost.transfer(local_elements(given.shape, layout), down)

    def _choose(
        self, part: Sequence[Statement], arriving: Mapping[Value, Mapping[Layout, int]]
    ) -> dict[Value, Strategy]:
        space = Space(self.grid, self.cost)
        steps: list[Step] = steps_of(part, arriving, space)
        problem = problem_of(steps, self.relayouts, self.cycles_per_byte)
        solution = search(problem, self.beam, self.sweeps)
        return {
            step.result: step.strategies[choice]
            for step, choice in zip(steps, solution.choices, strict=True)
        }


def _from_outside(statement: Statement) -> bool:
    return isinstance(
        statement.op, graph_structure.Input | graph_structure.Parameter | graph_structure.Fill
    )


def _parameter_bytes(statement: Statement) -> int:
    op = statement.op
    if not isinstance(op, graph_structure.Parameter) or statement.result is None:
        return 0
    return tensor(statement.result).elements * op.dtype.size_bytes
