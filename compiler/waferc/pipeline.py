"""The passes in their order, each with its reason, and the runner that checks between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from waferc.options import MIXED, CompileOptions
from waferc.passes.allocate import Allocate
from waferc.passes.base import Pass
from waferc.passes.convert_floats import ConvertFloats
from waferc.passes.decompose import Decompose
from waferc.passes.eliminate_dead import EliminateDead
from waferc.passes.fold_constants import FoldConstants
from waferc.passes.join_sums import JoinSums
from waferc.passes.narrow_products import NarrowProducts
from waferc.passes.place import Place
from waferc.passes.route import Route
from waferc.passes.share_common import ShareCommon
from waferc.passes.simplify_graph import SimplifyGraph
from waferc.passes.split_wafers import Link, split_wafers
from waferc.passes.spread_caches import SpreadCaches
from waferc.passes.tile import Tile
from waferc.passes.turn_weights import TurnWeights
from waferc.unit import Unit
from waferc_ir.verify import verify

PIPELINE: tuple[type[Pass], ...] = (
    FoldConstants,  # in the model's own element type, and before others spend work on constants
    ConvertFloats,  # before Decompose, whose constants are those of the element type
    Decompose,  # from here on the primitives only
    SimplifyGraph,  # Decompose leaves moves and identities that cancel
    NarrowProducts,  # contractions have their final operands; FoldConstants rounds the weights
    FoldConstants,  # SimplifyGraph cuts weights into parts, Decompose reshapes biases
    EliminateDead,  # nothing dead is worth a layout
    SpreadCaches,  # what meets the places of caches is constant by now
    TurnWeights,  # before Tile, which lays tiles out row by row
    Tile,  # from here on layouts, regions and streams
    ShareCommon,  # Tile gathers or masks a value once for each use
    JoinSums,  # what is shared is computed once, and before the first sum that needs it
    Place,  # needs the final regions
    Route,  # needs places
    Allocate,  # last: it counts what all others left
)
PASSES: Mapping[str, type[Pass]] = MappingProxyType({cls.name: cls for cls in PIPELINE})

Observe = Callable[[Pass, Unit, float], None]  # the pass, what it made, its seconds


def passes_for(options: CompileOptions) -> tuple[Pass, ...]:
    """The pipeline with the options of a compilation."""
    chosen: dict[type[Pass], Pass] = {
        ConvertFloats: ConvertFloats(dtype=options.element.label),
        NarrowProducts: NarrowProducts(dtype="f16" if options.dtype == MIXED else "f32"),
        Tile: tile_for(options),
    }
    return tuple(chosen.get(cls) or cls() for cls in PIPELINE)


def tile_for(options: CompileOptions) -> Tile:
    """The layouts of a compilation, where no plans are compared."""
    width, height = options.region or (None, None)
    stages = 0 if options.stages == "auto" else options.stages or 1
    greedy = options.optimize == 0
    return Tile(width=width, height=height, stages=stages, wafers=options.wafers, greedy=greedy)


@dataclass(frozen=True, slots=True)
class Placed:
    """A program on its wafers: a unit for each, links between them, and the `whole`, not placed."""

    whole: Unit
    wafers: tuple[Unit, ...]
    links: tuple[Link, ...]


def run_placed(
    unit: Unit,
    passes: Sequence[Pass],
    most_wafers: int,
    observe: Observe = lambda one, unit, seconds: None,
) -> Placed:
    """Run passes; those from `Place` on for each wafer by itself. Raises as `run_passes`."""
    cut = [type(one) for one in passes].index(Place)
    whole = run_passes(unit, passes[:cut], observe)
    split = split_wafers(whole, most_wafers)
    wafers = tuple(run_passes(one, passes[cut:], observe) for one in split.wafers)
    return Placed(whole, wafers, split.links)


def run_passes(
    unit: Unit, passes: Sequence[Pass], observe: Observe = lambda one, unit, seconds: None
) -> Unit:
    """Run passes in order. The program is verified before the first and after each.

    Raises:
        WaferError: a pass refuses the program.
        VerifyError: the program given breaks a rule of the IR.
    """
    verify(unit.program)
    for one in passes:
        start = time.perf_counter()
        unit = one.run(unit)
        verify(unit.program)
        observe(one, unit, time.perf_counter() - start)
    return unit
