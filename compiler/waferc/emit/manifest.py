"""The manifest of a bundle: which exported symbol holds which tiles of which tensor."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from waferc.analysis.bounds import bounds, sums_bounds
from waferc.analysis.liveness import float_type
from waferc.emit.layout import LAYOUT, extent
from waferc.emit.regions import EmittedRegions, HostTensor, Kernel
from waferc.layouts.cost import CostModel
from waferc.layouts.estimate import estimate, sums_estimate
from waferc_ir.entries import Entry, entries, single
from waferc_ir.machine import MACHINES, Machine
from waferc_ir.ops import Op, collective, stream, tile_compute
from waferc_ir.program import Program, Statement, Value
from waferc_ir.types import Split, TiledType
from waferc_runtime.host.manifest import VERSION, machine_changes


def manifest(program: Program, machine: Machine, emitted: EmittedRegions) -> dict[str, Any]:
    """The JSON document; its schema is in `docs/architecture.md`."""
    width, height = extent(program)
    transfers = [s.result for s in program.statements if isinstance(s.op, stream.Transfer)]
    streams = {value: number for number, value in enumerate(transfers)}
    document: dict[str, Any] = {
        "format": "waferc-bundle",
        "version": VERSION,
        "name": program.name,
        "target": machine.name,
        "dtype": float_type(program).label,
        "layout": f"csl/{LAYOUT}",
        "width": width,
        "height": height,
        "state": _placements(program, emitted.state),
        "entries": [
            {
                "label": entry.label,
                "function": emitted.entries[entry.label],
                "inputs": _placements(program, _of_entry(emitted.inputs, entry)),
                "outputs": _placements(program, _of_entry(emitted.outputs, entry)),
                "tolerance": _tolerance(single(program, entry)),
            }
            for entry in entries(program)
        ],
        "regions": [
            {"name": r.name, "x": r.x, "y": r.y, "width": r.width, "height": r.height}
            for r in program.regions
        ],
        "kernels": [_kernel(program, machine, kernel, streams) for kernel in emitted.kernels],
    }
    changes = machine_changes(machine)
    if changes or machine.name not in MACHINES:
        document["machine"] = {"arch": machine.arch, **changes}
    return document


def _kernel(
    program: Program, machine: Machine, kernel: Kernel, streams: Mapping[Value | None, int]
) -> dict[str, Any]:
    """What a function is for, what the cost model expects of it, and what it takes at least.

    `streams` numbers them by the value that is received.
    """
    statement = kernel.statements[0]
    op, value = statement.op, statement.result
    region = program.region(kernel.region)
    result = value.type if value is not None and isinstance(value.type, TiledType) else None
    lines = region.line("x"), region.line("y")
    cost = CostModel(machine, region.width, region.height, lines)
    document: dict[str, Any] = {
        "region": kernel.region,
        "function": kernel.function,
        "operation": op.name,
        "place": _place(statement),
        "estimate": estimate(op, result, cost),
        "bounds": dataclasses.asdict(bounds(op, result, region, machine)),
    }
    if len(kernel.statements) > 1:
        sums = [s.op for s in kernel.statements if isinstance(s.op, collective.AllReduce)]
        document["estimate"] = sums_estimate(kernel.statements, cost)
        document["bounds"] = dataclasses.asdict(sums_bounds(sums, region, machine))
    if isinstance(op, stream.Transfer) and result is not None:
        if result.region != kernel.region:  # it sends, over one link
            document["estimate"] = cost.send(result.local_elements)
        ends = {"from": _region_of(op.x), "to": result.region}
        document["stream"] = {"number": streams[value], **ends}
    return document


def _region_of(value: Value) -> str:
    assert isinstance(value.type, TiledType)
    return value.type.region


def _place(statement: Statement) -> str:
    at = statement.at
    return "" if at is None else f"{PurePath(at.file).name}:{at.line}"


def _of_entry(tensors: Sequence[HostTensor], entry: Entry) -> list[HostTensor]:
    """The inputs or outputs of an entry."""
    return [tensor for tensor in tensors if tensor.entry == entry.label]


def _placements(program: Program, tensors: Sequence[HostTensor]) -> list[dict[str, Any]]:
    placements: list[dict[str, Any]] = []
    for tensor in tensors:
        region = program.region(tensor.region)
        placements.append(
            {
                "label": tensor.label,
                "symbol": tensor.symbol,
                "shape": list(tensor.type.shape),
                "dtype": tensor.type.dtype.label,
                "region": {
                    "x": region.x,
                    "y": region.y,
                    "width": region.width,
                    "height": region.height,
                },
                "splits": [_split(split) for split in tensor.type.layout.splits],
                **({"mutable": True} if tensor.is_mutable else {}),
                **({"spread": list(tensor.spread)} if tensor.spread else {}),
            }
        )
    return placements


def _split(split: Split | None) -> dict[str, Any] | None:
    if split is None:
        return None
    first = {"first": split.first} if split.first else {}
    return {"axis": split.axis, "block": split.block, **first}


def _tolerance(program: Program) -> dict[str, int]:
    """What bounds rounding errors: the longest sum, and how many operations follow each other."""
    longest = 1
    depth: dict[object, int] = {}
    for statement in program.statements:
        longest = max(longest, _terms(statement.op))
        if statement.result is not None:
            before = [depth.get(operand, 0) for operand in statement.op.operands()]
            depth[statement.result] = 1 + max(before, default=-1)
    return {"accumulation": longest, "depth": max(depth.values(), default=0)}


def _terms(op: Op) -> int:
    """How many terms each sum of an operation has, over all PEs."""
    match op:
        case tile_compute.Contract():
            lhs = op.lhs.type
            assert isinstance(lhs, TiledType)
            sizes = dict(zip(op.lhs_dims, lhs.shape, strict=True))
            return math.prod(n for letter, n in sizes.items() if letter not in op.out_dims)
        case tile_compute.Reduce(fn="sum"):
            x = op.x.type
            assert isinstance(x, TiledType)
            return math.prod(x.shape[dim] for dim in op.dims)
        case tile_compute.Conv2d():
            weight = op.weight.type
            assert isinstance(weight, TiledType)
            return math.prod(weight.shape[1:])
        case tile_compute.Pool2d():
            return math.prod(op.kernel)
        case _:
            return 1
