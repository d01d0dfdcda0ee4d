"""The manifest of a bundle: which exported symbol holds which tiles of which tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from waferc.emit.layout import LAYOUT, extent
from waferc.emit.regions import EmittedRegions, HostTensor, float_type
from waferc_ir.machine import MACHINES, Machine
from waferc_ir.ops import Op, tile_compute
from waferc_ir.program import Program
from waferc_ir.types import Split, TiledType
from waferc_runtime.host.manifest import machine_changes


def manifest(program: Program, machine: Machine, emitted: EmittedRegions) -> dict[str, Any]:
    """The JSON document; its schema is in `docs/architecture.md`."""
    width, height = extent(program)
    document: dict[str, Any] = {
        "format": "waferc-bundle",
        "version": 1,
        "name": program.name,
        "target": machine.name,
        "dtype": float_type(program).label,
        "layout": f"csl/{LAYOUT}",
        "width": width,
        "height": height,
        "entry": "main",
        "inputs": _placements(program, emitted.inputs),
        "state": _placements(program, emitted.state),
        "outputs": _placements(program, emitted.outputs),
        "tolerance": _tolerance(program),
    }
    changes = machine_changes(machine)
    if changes or machine.name not in MACHINES:
        document["machine"] = {"arch": machine.arch, **changes}
    return document


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
            }
        )
    return placements


def _split(split: Split | None) -> dict[str, Any] | None:
    return None if split is None else {"axis": split.axis, "block": split.block}


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
