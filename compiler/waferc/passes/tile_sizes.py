"""Sizes of regions: the smallest that their parts of a program fit, all of one height.

Regions of one height lie side by side on shelves, so that streams run from row to row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product

from waferc.analysis.footprint import Footprint, footprints
from waferc.layouts.problem import Rates
from waferc.layouts.shelves import wafers
from waferc.passes.tile_parts import Size, Tiling, part_bytes
from waferc.passes.tile_refusals import too_many_pes, too_many_weights
from waferc_ir.machine import Machine
from waferc_ir.program import Program

# What a byte of SRAM is worth in cycles, from speed alone (the first only breaks ties) to memory
# at any price. A region takes the first that it fits with.
RATES = (
    Rates(1 / 64, 1 / 64),
    Rates(1 / 2, 1 / 2),
    Rates(2, 1 / 2),
    Rates(2, 4),
    Rates(8, 1 / 2),
    Rates(8, 8),
    Rates(64, 8),
)
_PROBE = Rates(8, 8)
_COMFORT = (RATES[3], RATES[-1])  # for sizes of many regions: with room for speed, and without
_PROBE_SLACK = 0.2  # of the SRAM: other rates seldom save more
# Heights that are tried, as long as no whole shelves of the wafer are meant; squares in between.
_SIDES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
_SHELVES = 12  # most shelves that divide the height of the wafer evenly
_WIDEST = 1.5  # widths for one height that most regions may have before a larger height is better
_MOST_FAILURES = 2  # heights with which the wafer was too small
_ATTEMPTS = 12  # rounds in which widths grow
_STEP = 1.08  # from one width that is tried to the next
_FASTEST_GROWTH = 2.0  # of a width in one round


def smallest(tiling: Tiling, most_wafers: int) -> Program:
    """The program in the smallest regions that were found for its parts, on few wafers.

    Raises:
        TileError: the wafers are too small for its weights, or for its parts side by side.
    """
    machine = tiling.machine
    room = (machine.sram_bytes - machine.reserved_bytes) * machine.program_width
    least = -(-sum(map(part_bytes, tiling.parts)) // (room * machine.program_height))
    if least > most_wafers:
        raise too_many_weights(tiling, most_wafers)
    if len(tiling.parts) == 1:
        return _square(tiling)
    needed = 0
    count = max(1, least)
    while count <= most_wafers:
        found = _on_shelves(tiling, count)
        if isinstance(found, Program):
            return found
        needed = found
        count = max(count + 1, -(-needed // (machine.program_width * machine.program_height)))
    raise too_many_pes(tiling, needed, most_wafers)


def _square(tiling: Tiling) -> Program:
    """The smallest nearly square region; the largest there is where none fits."""
    machine = tiling.machine
    room = machine.sram_bytes - machine.reserved_bytes
    tiled: Program | None = None
    for side in _SIDES:
        size = min(side, machine.program_width), min(side, machine.program_height)
        if part_bytes(tiling.parts[0]) > room * size[0] * size[1]:
            continue
        # one thrifty attempt tells whether a size is worth the others
        tiled = tiling.write([size], [_PROBE])
        (found,) = footprints(tiled, machine)
        is_last = size == (machine.program_width, machine.program_height)
        if found.over_bytes > machine.sram_bytes * _PROBE_SLACK and not is_last:
            continue
        tiled, found = fastest(tiling, [size])
        if found.over_bytes <= 0 or is_last or _is_code(found):
            break
    assert tiled is not None
    return tiled


def _on_shelves(tiling: Tiling, count: int) -> Program | int:
    """Regions of one height, as wide as each part needs: the smallest height that serves.

    How many PEs the parts need at least, where they do not fit so many wafers.
    """
    machine = tiling.machine
    room = machine.sram_bytes - machine.reserved_bytes
    weights = [part_bytes(part) for part in tiling.parts]
    best: tuple[Program, Footprint] | None = None
    needed: list[int] = []
    failed: Counter[Rates] = Counter()
    for rates, height in product(_COMFORT, _heights(machine)):
        if failed[rates] == _MOST_FAILURES and rates != _COMFORT[-1]:
            continue  # parts take about the same area whatever the height
        widths = [_step(max(1, -(-size // (room * height)))) for size in weights]
        if _is_flat(tiling, widths, height):
            continue
        widths = _grown(tiling, widths, height, rates, count)
        if not _fit(widths, height, machine, count):
            needed.append(sum(widths) * height)
            failed[rates] += 1
            continue
        if _is_flat(tiling, widths, height):
            continue
        found = fastest(tiling, [(width, height) for width in widths])
        if best is None or found[1].over_bytes < best[1].over_bytes:
            best = found
        if found[1].over_bytes <= 0 or _is_code(found[1]):
            break
    return min(needed) if best is None else best[0]


def _is_code(found: Footprint) -> bool:
    """Whether code alone is too large, so that larger regions would not help."""
    return found.over_bytes >= found.state_bytes + found.activation_bytes


def fastest(tiling: Tiling, sizes: Sequence[Size]) -> tuple[Program, Footprint]:
    """The first attempt whose regions all fit, or the one that came nearest; its fullest region.

    Regions that do not fit get the next rates, as long as there are any; alike ones together.
    """
    levels = [0] * len(sizes)
    best: tuple[Program, Footprint] | None = None
    while True:
        tiled = tiling.write(sizes, [tiling.rates[level] for level in levels])
        found = footprints(tiled, tiling.machine)
        worst = max(found, key=lambda footprint: footprint.over_bytes)
        if best is None or worst.over_bytes < best[1].over_bytes:
            best = tiled, worst
        over = {n for n, footprint in enumerate(found) if footprint.over_bytes > 0}
        if not over or all(levels[number] == len(tiling.rates) - 1 for number in over):
            return best
        kinds = {tiling.kinds[number] for number in over}
        for number, kind in enumerate(tiling.kinds):
            if kind in kinds:
                levels[number] = min(levels[number] + 1, len(tiling.rates) - 1)


def _grown(tiling: Tiling, widths: list[int], height: int, rates: Rates, count: int) -> list[int]:
    """Widths with which all parts fit, with layouts for `rates`; or with which the wafers end."""
    machine = tiling.machine
    for _ in range(_ATTEMPTS):
        tiled = tiling.write([(width, height) for width in widths], [rates] * len(widths))
        wanted: dict[int, int] = {}
        for number, found in enumerate(footprints(tiled, machine)):
            width = widths[number]
            if found.over_bytes > 0 and not _is_code(found):
                tiles = found.state_bytes + found.activation_bytes
                share = tiles / (tiles - found.over_bytes)
                width = _step(max(width + 1, round(width * min(share, _FASTEST_GROWTH))))
            kind = tiling.kinds[number]
            wanted[kind] = max(width, wanted.get(kind, 0))
        following = [wanted[kind] for kind in tiling.kinds]
        if following == widths or not _fit(following, height, machine, count):
            return following
        widths = following
    return widths


def _step(width: int) -> int:
    """The next of few widths, as what is known of a size is of use for all regions of that size."""
    step = 1
    while step < width:
        step = max(step + 1, round(step * _STEP))
    return step


def _heights(machine: Machine) -> list[int]:
    """Heights to try, smallest first: whole shelves of the wafer where regions are large."""
    even = {max(1, machine.program_height // count) for count in range(1, _SHELVES + 1)}
    return sorted({side for side in _SIDES if side < min(even)} | even)


def _is_flat(tiling: Tiling, widths: Sequence[int], height: int) -> bool:
    """Whether the kind of part that comes most often would be much wider than high."""
    ((kind, _),) = Counter(tiling.kinds).most_common(1)
    return (
        height < tiling.machine.program_height
        and widths[tiling.kinds.index(kind)] > _WIDEST * height
    )


def _fit(widths: Sequence[int], height: int, machine: Machine, count: int) -> bool:
    """Whether regions of these widths and one height lie on the shelves of so many wafers."""
    last = wafers([(width, height) for width in widths], machine)[-1]
    return max(widths) <= machine.program_width and last < count
