"""What a compiled program is expected to take, by the cost model, before anything runs.

Regions that are alike, as layers are, stand in one line.
"""

from __future__ import annotations

from collections.abc import Iterator

from waferc.analysis.footprint import footprints
from waferc.layouts.estimate import region_cycles
from waferc.planning import Plan
from waferc.tokens import rates, tokens_of
from waferc_ir.entries import entries, single
from waferc_ir.ops import tile_structure
from waferc_ir.program import Program
from waferc_ir.types import TiledType
from waferc_runtime.energy import scaled

_Kind = tuple[int, int, int, tuple[int, ...]]  # width, height, bytes of SRAM, cycles by entry


def outlook(plan: Plan) -> str:
    """Wafers, regions by kind with their SRAM, and for each entry cycles and calls per second."""
    whole = plan.placed.whole
    machine = whole.machine
    wafers = len(plan.placed.wafers)
    regions = len(whole.program.regions)
    on = machine.name if wafers == 1 else f"{wafers} wafers {machine.name}"
    lines = [f"{whole.program.name} on {on}, {_counted(regions, 'region')}; by the cost model:"]
    found = _cycles(plan)
    for entry in entries(whole.program):
        cycles, own = plan.cycles[entry.label], found[entry.label]
        region = max(own, key=lambda name: own[name])
        slowest = (region, float(own[region])) if regions > 1 else None
        speed = rates(machine.clock_hz, cycles, slowest, _tokens(single(whole.program, entry)))
        between = cycles - sum(own.values())
        ways = f", {between:,} of them between wafers" if between else ""
        time = scaled(cycles / machine.clock_hz, "s")
        lines.append(f"  {entry.label}: {cycles:,} cycles{ways}, {time}; {speed}")
    return "\n".join([*lines, *_kinds(plan, found)])


def _cycles(plan: Plan) -> dict[str, dict[str, int]]:
    """Cycles by entry and region, on all wafers."""
    found: dict[str, dict[str, int]] = {}
    for unit in plan.placed.wafers:
        for label, regions in region_cycles(unit.program, unit.machine).items():
            found.setdefault(label, {}).update(regions)
    return found


def _kinds(plan: Plan, cycles: dict[str, dict[str, int]]) -> Iterator[str]:
    """A table of regions, those that are alike in one line."""
    kinds: dict[_Kind, list[str]] = {}
    for unit in plan.placed.wafers:
        sizes = {one.region: one.total_bytes for one in footprints(unit.program, unit.machine)}
        for region in unit.program.regions:
            own = tuple(entry[region.name] for entry in cycles.values())
            kind = region.width, region.height, sizes[region.name], own
            kinds.setdefault(kind, []).append(region.name)
    limit = plan.placed.whole.machine.sram_bytes
    heads = "".join(f"{label[:14]:>16}" for label in cycles)
    yield f"  {'regions':20}{'PEs of each':>14}{'SRAM of ' + f'{limit:,}':>16}{heads}"
    for (width, height, size, own), names in kinds.items():
        title = names[0] if len(names) == 1 else f"{len(names)} like {names[0]}"
        numbers = "".join(f"{one:>16,}" for one in own)
        yield f"  {title:20}{f'{width} x {height}':>14}{size:>16,}{numbers}"


def _tokens(program: Program) -> int | None:
    """Tokens of a call of a program's only entry."""
    ops = [statement.op for statement in program.statements]
    outputs = [op.x.type for op in ops if isinstance(op, tile_structure.Output)]
    return tokens_of(
        [op.shape for op in ops if isinstance(op, tile_structure.Input)],
        [given.shape for given in outputs if isinstance(given, TiledType)],
    )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
