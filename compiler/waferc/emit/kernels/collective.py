"""Collectives along an axis: chain reduce, all-gather by forwarding, broadcast from the last PE.

The links of an axis are called `x_prev` (from the PE before), `x_next` (to the PE after) and
`x_all` (multicast by the last PE to all before it); likewise for y.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from waferc.emit.kernels.context import (
    KernelContext,
    Tile,
    copy,
    mapped,
    move,
    operation,
    suffix,
)
from waferc.emit.pe_program import (
    Affine,
    DsdOperation,
    Fabric,
    If,
    MapOperation,
    Operand,
    Statement,
)
from waferc.emit.views import View, nest, row_major
from waferc_ir.ops import collective
from waferc_ir.types import Axis


def by_place(
    axis: Axis,
    pes: int,
    first: tuple[Statement, ...],
    middle: tuple[Statement, ...],
    last: tuple[Statement, ...],
) -> tuple[Statement, ...]:
    """What the first, the last and the other PEs of a line of at least two do."""
    branches = [(f"{axis}_first", first), (f"{axis}_last", last)]
    if pes == 2:
        return (If((branches[0],), last),)
    return (If(tuple(branches), middle),)


def all_reduce(
    op: collective.AllReduce, result: Tile, context: KernelContext
) -> tuple[Statement, ...]:
    """Chain reduce from PE 0 upward, then the last PE sends the result to all."""
    x = context.tile(op.x)
    axis, pes = op.axis, context.region.extent(op.axis)
    if pes == 1 or x.elements == 0:
        return copy(x, result)
    fn = next(partial.fn for partial in x.type.layout.partial if partial.axis == axis)
    element, count = x.element, x.elements
    came = context.fabric(f"{axis}_prev", count, element, sends=False)
    goes = context.fabric(f"{axis}_next", count, element, sends=True)
    total = context.fabric(f"{axis}_all", count, element, sends=False)
    spread = context.fabric(f"{axis}_all", count, element, sends=True)
    out = _flat("out", result)
    if fn == "min" and x.is_float:
        # min(a, b) = -max(-a, -b); the negated tile stands where the result will be
        flip = f"fneg{suffix(element)}"
        before = nest((count,), [out, _flat("x", x)], lambda o: operation(flip, *o))
        after = nest((count,), [out, out], lambda o: operation(flip, *o))
        own, combine = out, _Combine("max", result, context)
    else:
        before, after, own = (), (), _flat("x", x)
        combine = _Combine(fn, x, context)
    arrives = nest((count,), [out, total], move)
    return by_place(
        axis,
        pes,
        (*before, *nest((count,), [goes, own], move), *arrives),
        (*before, *nest((count,), [goes, came, own], combine), *arrives),
        (*before, *nest((count,), [out, came, own], combine), *after,
         *nest((count,), [spread, out], move)),
    )  # fmt: skip


class _Combine:
    """`dest = fn(received, own)` for operands [dest, received, own]."""

    def __init__(self, fn: str, tile: Tile, context: KernelContext) -> None:
        self._dsd: str | None = None
        if tile.is_float and fn in ("sum", "max"):
            self._dsd = ("fadd" if fn == "sum" else "fmax") + suffix(tile.element)
            return
        name = "add" if fn == "sum" else fn
        self._function = context.functions.integer_function(name, tile.element, tile.element)

    def __call__(self, operands: Sequence[Operand]) -> DsdOperation | MapOperation:
        if self._dsd is not None:
            return operation(self._dsd, *operands)
        return mapped(self._function, *operands)


def _flat(role: str, tile: Tile) -> View:
    return View(role, tile.array, (1,))


def all_gather(
    op: collective.AllGather, result: Tile, context: KernelContext
) -> tuple[Statement, ...]:
    """Forward what the PEs before hold, then the own tile; the last PE sends the whole to all.

    Only elements travel, no padding: PEs before number `full` hold a whole block, that one holds
    the rest, and those behind it nothing.
    """
    x = context.tile(op.x)
    axis, pes = op.axis, context.region.extent(op.axis)
    found = x.type.layout.split_of(axis)
    assert found is not None
    dim, split = found
    gather = _Gather(x, result, dim, context, axis)
    extent, block = result.shape[dim], split.block
    if pes == 1 or result.elements == 0:
        return gather.keep(extent, 0)
    full, rest = divmod(extent, block)
    last: list[Statement] = list(gather.receive(block, Affine(), min(full, pes - 1)))
    if rest and full < pes - 1:
        last += gather.receive(rest, Affine(full * block * gather.step))
    last += gather.keep(min(block, max(0, extent - (pes - 1) * block)), (pes - 1) * block)
    everything = _flat("all", result)
    spread = context.fabric(f"{axis}_all", result.elements, x.element, sends=True)
    total = context.fabric(f"{axis}_all", result.elements, x.element, sends=False)
    last += nest((result.elements,), [spread, everything], move)
    arrives = nest((result.elements,), [everything, total], move)
    return by_place(
        axis,
        pes,
        (*gather.send(min(block, extent)), *arrives),
        (*_forward(gather, axis, pes, full, rest, block), *arrives),
        tuple(last),
    )


def _forward(
    gather: _Gather, axis: Axis, pes: int, full: int, rest: int, block: int
) -> tuple[Statement, ...]:
    """What a PE in the middle does before it gets the whole."""
    inside = (*gather.forward(block, per_place=True), *gather.send(block))
    if full >= pes - 1:
        return inside
    # PEs behind the last whole block forward `full` blocks and the rest
    at_rest = (*gather.forward(full * block), *gather.send(rest))
    behind = gather.forward(full * block + rest)
    place = f"p{axis}"
    branches: list[tuple[str, tuple[Statement, ...]]] = []
    if full > 1:
        branches.append((f"{place} < {full}", inside))
    if rest and full > 0:
        branches.append((f"{place} == {full}", at_rest))
    return (If(tuple(branches), behind),) if branches else behind


class _Gather:
    """Copies of the first lanes of a split dimension between tile, fabric and result."""

    def __init__(self, x: Tile, result: Tile, dim: int, context: KernelContext, axis: Axis) -> None:
        self._x, self._result, self._dim = x, result, dim
        self._context = context
        self._axis: Axis = axis
        self.step = row_major(result.shape)[dim]

    def _shape(self, lanes: int) -> tuple[int, ...]:
        shape = list(self._x.shape)
        shape[self._dim] = lanes
        return tuple(shape)

    def _port(self, lanes: int, *, sends: bool) -> Fabric:
        name = f"{self._axis}_{'next' if sends else 'prev'}"
        count = math.prod(self._shape(lanes))
        return self._context.fabric(name, count, self._x.element, sends=sends)

    def send(self, lanes: int) -> tuple[Statement, ...]:
        """Send the first lanes of the own tile."""
        if lanes == 0:
            return ()
        return nest(self._shape(lanes), [self._port(lanes, sends=True), self._x.view("x")], move)

    def forward(self, lanes: int, *, per_place: bool = False) -> tuple[Statement, ...]:
        """Receive that many lanes and send them on; `per_place`: from each PE before."""
        if lanes == 0:
            return ()
        ports = [self._port(lanes, sends=True), self._port(lanes, sends=False)]
        if per_place:
            pes = self._context.region.extent(self._axis)
            ports = [
                replace(
                    port,
                    elements=port.elements * (pes // 2),
                    extent=f"p{self._axis} * {port.elements}",
                )
                for port in ports
            ]
        return (move(ports),)

    def receive(self, lanes: int, start: Affine, blocks: int = 1) -> tuple[Statement, ...]:
        """Receive `blocks` times `lanes` lanes, `start` elements behind the result's beginning."""
        if lanes * blocks == 0:
            return ()
        whole = self._result.view("out").moved(start)
        out = replace(whole, strides=(lanes * self.step, *whole.strides))
        port = self._port(lanes, sends=False)
        port = replace(port, elements=port.elements * blocks)
        return nest((blocks, *self._shape(lanes)), [out, port], move)

    def keep(self, lanes: int, start: int) -> tuple[Statement, ...]:
        """Copy the first lanes of the own tile to lane `start` of the result."""
        out = self._result.view("out").moved(Affine(start * self.step))
        return nest(self._shape(lanes), [out, self._x.view("x")], move)
