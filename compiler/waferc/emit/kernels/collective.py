"""Collectives along an axis: towards the root of the line from both sides, then back to all.

What `x_chain`, `x_tree`, `x_all` and `x_send` are, and the constants `x_root`, `x_chain_pes` and
`x_tree_pes`, is told in `emit.line_links`; likewise for y.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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
    AHEAD,
    Affine,
    DsdOperation,
    Fabric,
    If,
    LoadRegister,
    MapOperation,
    Memory,
    Moved,
    Named,
    Operand,
    Statement,
)
from waferc.emit.views import View, nest, row_major
from waferc_ir.ops import collective
from waferc_ir.types import Axis, Line


@dataclass(frozen=True)
class _Links:
    """The links of a line for messages of one tile's element type."""

    axis: Axis
    line: Line
    tile: Tile
    context: KernelContext

    @property
    def before(self) -> str:
        """Where the root takes in the side before it."""
        return "tree" if self.line.group else "chain"

    def receive(self, role: str, count: int, *, is_packed: bool = True) -> Fabric:
        """The end of a link that comes to this PE."""
        name, element = f"{self.axis}_{role}", self.tile.element
        return self.context.fabric(name, count, element, sends=False, is_packed=is_packed)

    def send(self, count: int, *, is_packed: bool = True) -> Fabric:
        """The beginning of the link that leaves this PE."""
        name, element = f"{self.axis}_send", self.tile.element
        return self.context.fabric(name, count, element, sends=True, is_packed=is_packed)

    def has(self, role: str) -> str:
        """The condition that words come to this PE, not the root, by the chain or from leaders."""
        return f"{self.axis}_{role}_pes > 0"


def all_reduce(
    op: collective.AllReduce, result: Tile, context: KernelContext
) -> tuple[Statement, ...]:
    """Every PE adds what comes to it; the root adds both sides and sends the result to all."""
    return all_reduces([(op, result)], context)


def all_reduces(
    found: Sequence[tuple[collective.AllReduce, Tile]], context: KernelContext
) -> tuple[Statement, ...]:
    """Several sums along one axis on their way together: all to the root, then all back.

    A PE hands on the second while the next one takes the first, so that the line is gone along
    once. The root sends none before it has taken all in, as its neighbours may still be sending.
    """
    axis = found[0][0].axis
    line = context.region.line(axis)
    if line.pes == 1:
        return tuple(s for op, result in found for s in copy(context.tile(op.x), result))
    sums = [_Sum(op, result, context) for op, result in found if result.elements]
    if not sums:
        return ()
    at_root = ahead(
        (*(s for one in sums for s in one.at_root()), *(s for one in sums for s in one.spread()))
    )
    up = _upward(
        sums[0].links,
        both=ahead([s for one in sums for s in one.both()]),
        chain=ahead([s for one in sums for s in one.forward("chain")]),
        tree=ahead([s for one in sums for s in one.forward("tree")]),
        neither=ahead([s for one in sums for s in one.start()]),
    )
    arrives = ahead([s for one in sums for s in one.arrives()])
    return (If(((f"{axis}_root", at_root),), (*up, *arrives)),)


class _Sum:
    """What a PE does for one reduction along a line of several PEs, by its role."""

    def __init__(self, op: collective.AllReduce, result: Tile, context: KernelContext) -> None:
        x = context.tile(op.x)
        fn = next(partial.fn for partial in x.type.layout.partial if partial.axis == op.axis)
        self.links = _Links(op.axis, context.region.line(op.axis), x, context)
        self._count = x.elements
        self._out = _flat("out", result)
        self._own = _flat("x", x)
        self._before: tuple[Statement, ...] = ()
        self._after: tuple[Statement, ...] = ()
        self._combine = _Combine(fn, x, context)
        if fn == "min" and x.is_float:
            # min(a, b) = -max(-a, -b); the negated tile stands where the result will be
            flip = f"fneg{suffix(x.element)}"
            self._before = self._nest([self._out, self._own], lambda o: operation(flip, *o))
            self._after = self._nest([self._out, self._out], lambda o: operation(flip, *o))
            self._own, self._combine = self._out, _Combine("max", result, context)

    def _nest(
        self,
        operands: Sequence[View | Operand],
        made: Callable[[Sequence[Operand]], DsdOperation | MapOperation],
    ) -> tuple[Statement, ...]:
        return nest((self._count,), operands, made)

    def _take(self, dest: View | Fabric, role: str, held: View) -> tuple[Statement, ...]:
        return self._nest([dest, self.links.receive(role, self._count), held], self._combine)

    def at_root(self) -> tuple[Statement, ...]:
        """Take in one side, then the other."""
        line, taken = self.links.line, self._before
        if line.root > 0:
            taken += self._take(self._out, self.links.before, self._own)
        if line.root < line.pes - 1:
            taken += self._take(self._out, "all", self._out if line.root > 0 else self._own)
        return (*taken, *self._after)

    def spread(self) -> tuple[Statement, ...]:
        """Send the result to all."""
        return self._nest([self.links.send(self._count), self._out], move)

    def both(self) -> tuple[Statement, ...]:
        """Take in what comes by the chain, add it to what comes from leaders and send that."""
        goes = self.links.send(self._count)
        taken = self._take(self._out, "chain", self._own)
        return (*self._before, *taken, *self._take(goes, "tree", self._out))

    def forward(self, role: str) -> tuple[Statement, ...]:
        """Add to what comes by one link and send that."""
        goes = self.links.send(self._count)
        return (*self._before, *self._take(goes, role, self._own))

    def start(self) -> tuple[Statement, ...]:
        """Send what the PE itself has."""
        return (*self._before, *self._nest([self.links.send(self._count), self._own], move))

    def arrives(self) -> tuple[Statement, ...]:
        """Take the result from the root."""
        return self._nest([self._out, self.links.receive("all", self._count)], move)


def ahead(statements: Sequence[Statement]) -> tuple[Statement, ...]:
    """The statements, with descriptors of all operations but the first loaded before it begins.

    A PE that waits for words loads them meanwhile, and goes on without a gap once these come.
    """
    loads: list[Statement] = []
    body = list(statements[:1])
    registers = iter(AHEAD)
    for statement in statements[1:]:
        names = next(registers, None) if isinstance(statement, DsdOperation) else None
        if names is None:
            body.append(statement)
            continue
        assert isinstance(statement, DsdOperation)
        # the only source of an operation stands for its second one
        sources = statement.sources
        places = dict(zip(names[3 - len(sources) :], sources, strict=True))
        held: list[Operand] = []
        for name, operand in [(names[0], statement.dest), *places.items()]:
            assert isinstance(operand, Memory | Moved | Named | Fabric)
            load = LoadRegister(name, operand)
            loads.append(load)
            held.append(load.register())
        body.append(operation(statement.name, *held))
    return (*loads, *body)


def _upward(
    links: _Links,
    *,
    both: tuple[Statement, ...],
    chain: tuple[Statement, ...],
    tree: tuple[Statement, ...],
    neither: tuple[Statement, ...],
) -> tuple[Statement, ...]:
    """What a PE that is not the root does, by the links on which words come to it."""
    if not links.line.group:
        # every PE but the outermost: there are such only where a side has two
        if links.line.side == 1:
            return neither
        return (If(((links.has("chain"), chain),), neither),)
    by_both = f"{links.has('chain')} and {links.has('tree')}"
    branches = ((by_both, both), (links.has("chain"), chain), (links.has("tree"), tree))
    return (If(branches, neither),)


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
    """Every PE sends what comes to it and then its block, so that the root gets the farthest first.

    Words then leave a PE without gaps once the first has come.

    Only elements travel, no padding: PEs before number `full` hold a whole block, that one holds
    the rest, and those behind it nothing.
    """
    x = context.tile(op.x)
    line = context.region.line(op.axis)
    found = x.type.layout.split_of(op.axis)
    assert found is not None
    dim, split = found
    blocks = _Blocks(x, result, dim, split.block, _Links(op.axis, line, x, context))
    if line.pes == 1 or result.elements == 0:
        return blocks.keep(0, result.shape[dim])
    spread = blocks.links.send(result.elements)
    everything = _flat("all", result)
    at_root = (
        *blocks.collect(blocks.links.before, range(line.root)),
        *blocks.keep_own(line.root),
        *blocks.collect("all", range(line.pes - 1, line.root, -1)),
        *nest((result.elements,), [spread, everything], move),
    )
    total = blocks.links.receive("all", result.elements)
    arrives = nest((result.elements,), [everything, total], move)
    return (
        If(
            ((f"{op.axis}_root", at_root),),
            (*blocks.forward_all(), *blocks.send_own(), *arrives),
        ),
    )


class _Blocks:
    """Blocks of a split dimension on their way between tile, fabric and result."""

    def __init__(self, x: Tile, result: Tile, dim: int, block: int, links: _Links) -> None:
        self._x, self._result, self._dim, self._block = x, result, dim, block
        self.links = links
        self._step = row_major(result.shape)[dim]
        # elements of a lane; blocks that hold `_block` lanes, and the lanes of the one behind
        self._lane = x.elements // block
        self._full, self._rest = divmod(result.shape[dim], block)
        # pairs of elements may not reach from one block into the next
        self._packs = all(lanes * self._lane % 2 == 0 for lanes in (block, self._rest))

    def _shape(self, lanes: int) -> tuple[int, ...]:
        shape = list(self._x.shape)
        shape[self._dim] = lanes
        return tuple(shape)

    def keep(self, start: int, lanes: int) -> tuple[Statement, ...]:
        """Copy the first lanes of the own tile to lane `start` of the result."""
        out = self._result.view("out").moved(Affine(start * self._step))
        return nest(self._shape(lanes), [out, self._x.view("x")], move)

    def keep_own(self, place: int) -> tuple[Statement, ...]:
        """Copy the own block, that of PE `place`, to where it belongs in the result."""
        return self.keep(place * self._block, self._lanes(place))

    def _lanes(self, place: int) -> int:
        if place < self._full:
            return self._block
        return self._rest if place == self._full else 0

    def collect(self, role: str, places: range) -> tuple[Statement, ...]:
        """Receive the blocks of neighbouring PEs, in their order, into the result."""
        whole = [place for place in places if place < self._full]
        parts = [self._receive(role, self._block, whole, places.step)]
        if self._rest and self._full in places:
            part = self._receive(role, self._rest, [self._full], places.step)
            # the PE that holds the rest lies behind those with whole blocks
            parts.insert(1 if places.step > 0 else 0, part)
        return tuple(statement for part in parts for statement in part)

    def _receive(
        self, role: str, lanes: int, places: Sequence[int], step: int
    ) -> tuple[Statement, ...]:
        if not places:
            return ()
        start = Affine(places[0] * self._block * self._step)
        out = self._result.view("out").moved(start)
        out = replace(out, strides=(step * self._block * self._step, *out.strides))
        count = len(places) * lanes * self._lane
        port = self.links.receive(role, count, is_packed=self._packs)
        return nest((len(places), *self._shape(lanes)), [out, port], move)

    def send_own(self) -> tuple[Statement, ...]:
        """Send the own block."""
        place = f"p{self.links.axis}"
        whole = self._send(self._block)
        if self._full >= self.links.line.pes:
            return whole
        branches = [(f"{place} < {self._full}", whole)] if self._full else []
        if self._rest:
            branches.append((f"{place} == {self._full}", self._send(self._rest)))
        return (If(tuple(branches)),)

    def _send(self, lanes: int) -> tuple[Statement, ...]:
        port = self.links.send(lanes * self._lane, is_packed=self._packs)
        return nest(self._shape(lanes), [port, self._x.view("x")], move)

    def forward_all(self) -> tuple[Statement, ...]:
        """Receive what comes from leaders, then what comes by the chain, and send it on."""
        line = self.links.line
        if line.side == 1:
            return ()
        roles = ("tree", "chain") if line.group else ("chain",)
        return tuple(self._forward(role) for role in roles)

    def _forward(self, role: str) -> Statement:
        axis, line = self.links.axis, self.links.line
        chain, far = f"{axis}_chain_pes", f"p{axis}"
        first, last = (1, chain) if role == "chain" else (f"1 + {chain}", f"{axis}_beyond")
        if self._full >= line.pes:
            # as many whole blocks as PEs send them
            text = f"{axis}_{role}_pes * {self._block * self._lane}"
        else:
            # places [p - last, p - first] before the root, [p + first, p + last] behind it
            before = self._between(f"{far} - ({last})", f"{far} + 1 - ({first})")
            text = before
            if line.root < line.pes - 1:
                behind = self._between(f"{far} + {first}", f"{far} + 1 + {last}")
                text = f"if ({axis}_side == 1) ({behind}) else ({before})"
        count = (line.side if role == "tree" or not line.group else line.group) * self._lane
        count *= self._block
        ports = [
            replace(port, extent=text)
            for port in (
                self.links.send(count, is_packed=self._packs),
                self.links.receive(role, count, is_packed=self._packs),
            )
        ]
        condition = self.links.has(role)
        if self._full < line.pes:
            condition = f"{condition} and ({text}) > 0"
        return If(((condition, (move(ports),)),))

    def _between(self, start: str, stop: str) -> str:
        """Elements of the blocks of places [start, stop), as CSL text."""
        return f"{self._until(stop)} - {self._until(start)}"

    def _until(self, place: str) -> str:
        block, total = self._block * self._lane, self._result.elements
        return f"(if ({place} > {self._full}) {total} else ({place}) * {block})"
