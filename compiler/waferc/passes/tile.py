"""From tensors of a graph to tiles on the PEs of regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from waferc.layouts.kicks import kicked
from waferc.layouts.problem import Problem, TileError
from waferc.layouts.search import search
from waferc.layouts.stages import cut_entries, natural_stages
from waferc.passes.base import Pass
from waferc.passes.tile_parts import Tiling
from waferc.passes.tile_sizes import RATES, fastest, smallest
from waferc.unit import Unit


@dataclass(frozen=True)
class Tile(Pass):
    """Choose a layout for every value and cut operations into tiles, one set per PE.

    `stages` regions follow one another; each has a consecutive part of the operations. 0 stands
    for one region for each block that repeats in the program, and for what is between. Without
    `width` and `height` (given together or not at all) regions have one height, and each the
    smallest width that its part fits; a single region is nearly square. `wafers` is how many wafers
    there are: regions lie on as few as they fit on. `beam` and `sweeps` bound the search for
    layouts; `kicks` random changes, drawn with `seed`, follow. With `greedy` nothing is searched:
    each operation in turn gets the layouts that take least memory, whatever comes behind it.
    """

    name = "tile"

    width: int | None = None
    height: int | None = None
    stages: int = 1
    wafers: int = 1
    beam: int = 256
    sweeps: int = 4
    kicks: int = 0
    seed: int = 0
    greedy: bool = False

    def run(self, unit: Unit) -> Unit:
        program, machine = unit.program, unit.machine
        if program.kind != "graph":
            raise TileError(f"program @{program.name} is tiled already")
        if (self.width is None) != (self.height is None):
            raise TileError(
                "a region has a width and a height, and one of them is missing",
                help="give both, or none to let the compiler choose",
            )
        parts = cut_entries(program, self.stages or natural_stages(program))
        tiling = Tiling(
            program, parts, machine, self._choices, RATES[-1:] if self.greedy else RATES
        )
        # what does not fit is refused by allocate, with a table
        if self.width is not None and self.height is not None:
            machine.grid(self.width, self.height)
            return unit.with_program(fastest(tiling, [(self.width, self.height)] * len(parts))[0])
        return unit.with_program(smallest(tiling, self.wafers))

    def _choices(self, problem: Problem) -> Sequence[int]:
        if self.greedy:
            return search(problem, 1, 0).choices
        found = search(problem, self.beam, self.sweeps)
        return kicked(problem, found, self.kicks, self.sweeps, self.seed).choices
