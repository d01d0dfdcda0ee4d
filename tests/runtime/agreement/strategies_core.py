"""Core programs that both engines must agree on: compute and communication, step after step.

A program is one class on a grid. Every step appends statements to the current function; a step
that ends asynchronously goes on in a task. Each step has colors and queues of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.runtime.agreement.programs import (
    RouteBook,
    Tile,
    activate,
    dsd,
    f32,
    truth,
    u16,
)

from waferc_runtime.csl import core
from waferc_runtime.csl.core import EAST, NORTH, SOUTH, WEST, Scalar

ELEMENTS = 12
ARRAYS = ("a", "b", "c", "taken", "half")
_LAST_OUTPUT_QUEUE = 4
_BACK = {EAST: WEST, SOUTH: NORTH}


@dataclass(eq=False)
class Draft:
    """A program under construction. `axis_x` is along x if True."""

    tile: Tile
    book: RouteBook
    arrays: list[core.MemoryObject]
    taken: core.MemoryObject  # written by data tasks only, which run when their words come
    half: core.MemoryObject
    arch: str
    body: list[core.Stmt]
    locals: list[core.Local] = field(default_factory=lambda: [])
    color: int = 0
    input_queue: int = 7  # downwards: microthreads of both kinds share their numbers
    output_queue: int = 2
    task: int = 12

    @property
    def can_communicate(self) -> bool:
        return self.output_queue <= _LAST_OUTPUT_QUEUE and self.color < 18

    def colors(self, count: int) -> list[int]:
        self.color += count
        return list(range(self.color - count, self.color))

    def queues(self) -> tuple[int, int]:
        """An input and an output queue that nobody has used yet."""
        self.input_queue -= 1
        self.output_queue += 1
        return self.input_queue + 1, self.output_queue - 1

    def local(self, kind: Scalar) -> core.Local:
        made = core.Local(f"v{len(self.locals)}", kind, len(self.locals))
        self.locals.append(made)
        return made

    def along(self, axis_x: bool) -> tuple[NDArray[np.int32], int, int]:
        """Positions along an axis, its length, and the direction to higher positions."""
        if axis_x:
            return self.tile.x, self.tile.width, EAST
        return self.tile.y, self.tile.height, SOUTH

    def line(
        self, color: int, axis_x: bool, start: int, forward: bool, hops: int, drop: bool
    ) -> None:
        """The same straight route in every row (or column)."""
        direction = EAST if axis_x else SOUTH
        direction = direction if forward else _BACK[direction]
        across = self.tile.height if axis_x else self.tile.width
        for other in range(across):
            x, y = (start, other) if axis_x else (other, start)
            self.book.line(color, x, y, direction, hops, drop)

    def by_position(self, position: NDArray[np.int32], count: int) -> tuple[core.Const, core.Const]:
        """Whether a PE is the first, the last, along an axis."""
        return truth(position == 0), truth(position == count - 1)


# ---- compute -------------------------------------------------------------------------------------


@st.composite
def accesses(draw: st.DrawFn, draft: Draft, extent: int) -> core.MakeMemDsd:
    """A memory DSD of `extent` elements that stays within its array."""
    item = draw(st.sampled_from(draft.arrays))
    stride = draw(st.sampled_from([1, 1, 1, 2, 0, -1]))
    span = (extent - 1) * abs(stride)
    if span >= ELEMENTS:
        stride, span = 1, extent - 1
    offset = draw(st.integers(0, ELEMENTS - 1 - span)) + (span if stride < 0 else 0)
    return draft.tile.memory(item, extent, stride, offset)


@st.composite
def operations(draw: st.DrawFn, draft: Draft) -> core.Stmt:
    """A DSD operation in memory."""
    extent = draw(st.integers(1, ELEMENTS))
    op = draw(st.sampled_from(["@fadds", "@fsubs", "@fmuls", "@fmaxs", "@fmovs", "@fmacs"]))
    dest = draw(accesses(draft, extent))
    first: core.Expr = draw(accesses(draft, extent))
    scalar = f32(draw(st.sampled_from([0.5, -1.0, 1.25])))
    if op == "@fmovs":
        return dsd(op, dest, draw(st.sampled_from([first, scalar])))
    if op == "@fmacs":
        return dsd(op, dest, first, draw(accesses(draft, extent)), scalar)
    if draw(st.booleans()):
        return dsd(op, dest, first, draw(accesses(draft, extent)))
    if draw(st.booleans()):
        return dsd(op, draft.tile.pointer(draft.arrays[0]), scalar, first)
    return dsd(op, dest, first, scalar)


@st.composite
def loops(draw: st.DrawFn, draft: Draft) -> core.Stmt:
    """A loop over elements whose trip count may depend on the position."""
    tile = draft.tile
    source, target = draw(st.sampled_from(draft.arrays)), draw(st.sampled_from(draft.arrays))
    k = draft.local(Scalar.U16)
    value = draft.local(Scalar.F32)
    counts = np.minimum(tile.x * draw(st.integers(0, 3)) + draw(st.integers(0, 5)), ELEMENTS)
    loaded = core.Load(Scalar.F32, tile.pointer(source, core.GetLocal(k)))
    halved = core.BinaryExpr(Scalar.F32, draw(st.sampled_from(["*", "-", "/"])), loaded, f32(2.0))
    body: list[core.Stmt] = [
        core.SetLocal(value, halved),
        core.Store(tile.pointer(target, core.GetLocal(k)), core.GetLocal(value)),
    ]
    if draw(st.booleans()):
        is_large = core.CompareExpr(">", core.GetLocal(value), f32(3.0))
        leave: core.Stmt = core.Break() if draw(st.booleans()) else core.Continue()
        body.insert(1, core.If(is_large, [leave], []))
    return core.For(k, None, u16(0), u16(counts.astype(np.uint16)), u16(1), body)


@st.composite
def maps(draw: st.DrawFn, draft: Draft) -> core.Stmt:
    """A library function or a CSL function on every element."""
    extent = draw(st.integers(1, ELEMENTS))
    source, dest = draw(accesses(draft, extent)), draw(accesses(draft, extent))
    if draw(st.booleans()):
        return core.MapOperation("math.tanh", Scalar.F32, (source,), dest)
    x = core.Local("x", Scalar.F32, 0)
    is_positive = core.CompareExpr(">", core.GetLocal(x), f32(0.0))
    half = core.BinaryExpr(Scalar.F32, "*", core.GetLocal(x), f32(0.5))
    result = core.Return(core.SelectExpr(Scalar.F32, is_positive, core.GetLocal(x), half))
    leaky = core.Function("leaky", [x], [x], Scalar.F32, [result])
    return core.MapOperation(leaky, Scalar.F32, (source,), dest)


@st.composite
def branches(draw: st.DrawFn, draft: Draft) -> core.Stmt:
    """Different work on different PEs, by position or by a value."""
    tile = draft.tile
    condition: core.Expr = truth((tile.x + tile.y) % 2 == draw(st.integers(0, 1)))
    if draw(st.booleans()):
        item = draw(st.sampled_from(draft.arrays))
        index = draw(st.integers(0, ELEMENTS - 1))
        condition = core.CompareExpr("<", core.Load(Scalar.F32, tile.pointer(item, index)), f32(0))
    then = draw(st.lists(operations(draft), max_size=2))
    return core.If(condition, then, draw(st.lists(loops(draft), max_size=1)))


def compute(draft: Draft) -> st.SearchStrategy[core.Stmt]:
    return st.one_of(operations(draft), loops(draft), maps(draft), branches(draft))


# ---- communication -------------------------------------------------------------------------------


@st.composite
def chain_reduce(draw: st.DrawFn, draft: Draft) -> list[core.Stmt]:
    """The sum over an axis ends in its last PE; two colors take turns."""
    axis_x = draw(st.booleans())
    position, count, _ = draft.along(axis_x)
    pair = draft.colors(2)
    into, out = draft.queues()
    for start in range(count - 1):
        draft.line(pair[start % 2], axis_x, start, True, 1, False)
    extent = draw(st.integers(1, ELEMENTS))
    tile, item = draft.tile, draw(st.sampled_from(draft.arrays))
    memory = tile.memory(item, extent)
    receive = tile.fabin(np.where(position % 2 == 1, pair[0], pair[1]), into, extent)
    send = tile.fabout(np.where(position % 2 == 0, pair[0], pair[1]), out, extent)
    if count == 1:
        return []
    first, last = draft.by_position(position, count)
    middle = core.If(
        last, [dsd("@fadds", memory, receive, memory)], [dsd("@fadds", send, receive, memory)]
    )
    return [core.If(first, [dsd("@fmovs", send, memory)], [middle])]


@st.composite
def broadcast(draw: st.DrawFn, draft: Draft) -> list[core.Stmt]:
    """The first or last PE of an axis sends to all others at once."""
    axis_x, from_first = draw(st.booleans()), draw(st.booleans())
    position, count, _ = draft.along(axis_x)
    if count == 1:
        return []
    (color,) = draft.colors(1)
    into, out = draft.queues()
    draft.line(color, axis_x, 0 if from_first else count - 1, from_first, count - 1, True)
    extent = draw(st.integers(1, ELEMENTS))
    memory = draft.tile.memory(draw(st.sampled_from(draft.arrays)), extent)
    first, last = draft.by_position(position, count)
    send = dsd("@fmovs", draft.tile.fabout(color, out, extent), memory)
    receive = dsd("@fmovs", memory, draft.tile.fabin(color, into, extent))
    return [core.If(first if from_first else last, [send], [receive])]


@st.composite
def all_gather(draw: st.DrawFn, draft: Draft) -> list[core.Stmt]:
    """Every PE forwards what the PEs before it sent, then sends its own; the last has all."""
    axis_x = draw(st.booleans())
    position, count, _ = draft.along(axis_x)
    if count == 1:
        return []
    pair = draft.colors(2)
    into, out = draft.queues()
    for start in range(count - 1):
        draft.line(pair[start % 2], axis_x, start, True, 1, False)
    tile = draft.tile
    extent = draw(st.integers(1, ELEMENTS // count))
    color_in = np.where(position % 2 == 1, pair[0], pair[1])
    color_out = np.where(position % 2 == 0, pair[0], pair[1])
    mine = tile.memory(draft.arrays[0], extent)
    words = core.Const(Scalar.U16, (position * extent).astype(np.uint16))
    before = tile.memory(draft.arrays[1], words)
    own = tile.memory(draft.arrays[1], extent, offset=words)
    receive = core.MakeFabDsd(*_parts(tile.fabin(color_in, into, extent)), words)
    send = core.MakeFabDsd(*_parts(tile.fabout(color_out, out, extent)), words)
    first, last = draft.by_position(position, count)
    keep = [dsd("@fmovs", before, receive), dsd("@fmovs", own, mine)]
    own_out = dsd("@fmovs", tile.fabout(color_out, out, extent), mine)
    forward = [dsd("@fmovs", send, receive), own_out]
    return [core.If(first, [own_out], [core.If(last, list(keep), list(forward))])]


def _parts(made: core.MakeFabDsd) -> tuple[core.Dsd, core.Expr | None, core.Expr | None]:
    return made.type, made.queue, made.color


@st.composite
def shift(draw: st.DrawFn, draft: Draft) -> list[core.Stmt]:
    """Everybody sends to the next PE; received asynchronously, and a task goes on."""
    axis_x = draw(st.booleans())
    position, count, _ = draft.along(axis_x)
    if count == 1:
        return []
    pair = draft.colors(2)
    into, out = draft.queues()
    for start in range(count - 1):
        draft.line(pair[start % 2], axis_x, start, True, 1, False)
    tile = draft.tile
    extent = draw(st.integers(1, ELEMENTS))
    send = tile.fabout(np.where(position % 2 == 0, pair[0], pair[1]), out, extent)
    receive = tile.fabin(np.where(position % 2 == 1, pair[0], pair[1]), into, extent)
    first, last = draft.by_position(position, count)
    number = draft.task
    draft.task += 1
    source, target, other = draw(st.permutations(draft.arrays))
    send_is_async = draw(st.booleans())
    start_receive = dsd(
        "@fmovs",
        tile.memory(target, extent),
        receive,
        is_async=True,
        activate=number,
        microthread=into,
    )
    start_send = dsd(
        "@fmovs", send, tile.memory(source, extent), is_async=send_is_async, microthread=out
    )
    meanwhile = dsd("@fadds", tile.memory(other), tile.memory(other), f32(1.0))
    draft.body += [
        core.If(first, [activate(number)], [start_receive]),
        core.If(last, [], [start_send]),
        meanwhile,
    ]
    draft.body = tile.task(number, f"after{number}", []).body
    return []


@st.composite
def late_receiver(draw: st.DrawFn, draft: Draft) -> list[core.Stmt]:
    """A long message for a PE that has other work first: the sender is held up."""
    axis_x = draw(st.booleans())
    position, count, _ = draft.along(axis_x)
    if count == 1:
        return []
    (color,) = draft.colors(1)
    into, out = draft.queues()
    draft.line(color, axis_x, 0, True, count - 1, False)
    tile = draft.tile
    extent = draw(st.integers(20, 60))
    repeated = tile.memory(draft.arrays[0], extent, 0, 3)
    first, last = draft.by_position(position, count)
    work = [
        dsd("@fadds", tile.memory(draft.arrays[1]), tile.memory(draft.arrays[1]), f32(1.0))
        for _ in range(draw(st.integers(0, 6)))
    ]
    send = dsd("@fmovs", tile.fabout(color, out, extent), repeated)
    fold = dsd("@fadds", tile.pointer(draft.arrays[2]), f32(0.0), tile.fabin(color, into, extent))
    return [core.If(first, [send], [core.If(last, [*work, fold], [])])]


@st.composite
def exchange(draw: st.DrawFn, draft: Draft) -> list[core.Stmt]:
    """Pairs of neighbours send and receive at once; a task goes on when both is done."""
    axis_x = draw(st.booleans())
    position, count, _ = draft.along(axis_x)
    if count == 1:
        return []
    up, down = draft.colors(2)
    into, out = draft.queues()
    for start in range(0, count - 1, 2):
        draft.line(up, axis_x, start, True, 1, False)
        draft.line(down, axis_x, start + 1, False, 1, False)
    tile = draft.tile
    extent = draw(st.integers(1, ELEMENTS))
    is_low = position % 2 == 0
    is_paired = truth(~((position == count - 1) & is_low))
    number = draft.task
    draft.task += 1
    source, target = draw(st.permutations(draft.arrays))[:2]
    send = tile.fabout(np.where(is_low, up, down), out, extent)
    receive = tile.fabin(np.where(is_low, down, up), into, extent)
    task = core.Const(core.Handle.LOCAL_TASK, number)
    start_send = dsd(
        "@fmovs",
        send,
        tile.memory(source, extent),
        is_async=True,
        unblock=number,
        microthread=out,
    )
    start_receive = dsd(
        "@fmovs",
        tile.memory(target, extent),
        receive,
        is_async=True,
        activate=number,
        microthread=into,
    )
    pair: list[core.Stmt] = [start_send, start_receive]
    if draw(st.booleans()):
        pair.reverse()
    alone: list[core.Stmt] = [activate(number), core.TaskControl("unblock", task)]
    draft.body.append(core.If(is_paired, pair, alone))
    tile.blocked.add(number)
    joined: list[core.Stmt] = [core.TaskControl("block", task)]
    draft.body = tile.task(number, f"after{number}", joined).body
    return []


@st.composite
def word_by_word(draw: st.DrawFn, draft: Draft) -> list[core.Stmt]:
    """A data task takes the words of a broadcast; behind the last another task goes on."""
    axis_x = draw(st.booleans())
    position, count, _ = draft.along(axis_x)
    if count == 1:
        return []
    (color,) = draft.colors(1)
    into, out = draft.queues()
    draft.line(color, axis_x, 0, True, count - 1, True)
    tile = draft.tile
    extent = draw(st.integers(1, ELEMENTS))
    number = draft.task
    draft.task += 1
    seen = tile.array(f"seen{number}", 1, kind=Scalar.U16)
    total = tile.pointer(draft.taken, number % ELEMENTS)
    so_far = core.Load(Scalar.U16, tile.pointer(seen))

    def take(word: core.Local) -> list[core.Stmt]:
        more = core.BinaryExpr(Scalar.F32, "+", core.Load(Scalar.F32, total), core.GetLocal(word))
        is_last = core.CompareExpr("==", so_far, u16(extent))
        done: list[core.Stmt] = [core.Store(tile.pointer(seen), u16(0)), activate(number)]
        return [
            core.Store(total, more),
            core.Store(tile.pointer(seen), core.BinaryExpr(Scalar.U16, "+", so_far, u16(1))),
            core.If(is_last, done, []),
        ]

    tile.data_task(color if draft.arch == "wse2" else into, f"take{number}", take)
    tile.input_queues[into] = color
    send = dsd("@fmovs", tile.fabout(color, out, extent), tile.memory(draft.arrays[1], extent))
    first, _ = draft.by_position(position, count)
    draft.body.append(core.If(first, [send, activate(number)], []))
    draft.body = tile.task(number, f"after{number}", []).body
    return []


@st.composite
def half_words(draw: st.DrawFn, draft: Draft) -> list[core.Stmt]:
    """f16 data along a chain, one or two elements in a word, with arithmetic on the way."""
    axis_x, simd = draw(st.booleans()), draw(st.sampled_from(["off", "simd_32"]))
    position, count, _ = draft.along(axis_x)
    if count == 1:
        return []
    pair = draft.colors(2)
    into, out = draft.queues()
    for start in range(count - 1):
        draft.line(pair[start % 2], axis_x, start, True, 1, False)
    tile = draft.tile
    extent = draw(st.integers(1, ELEMENTS))
    memory = tile.memory(draft.half, extent)
    receive = tile.fabin(np.where(position % 2 == 1, pair[0], pair[1]), into, extent)
    send = tile.fabout(np.where(position % 2 == 0, pair[0], pair[1]), out, extent)
    receive, send = (replace(stream, simd=simd) for stream in (receive, send))
    first, last = draft.by_position(position, count)
    op = draw(st.sampled_from(["@faddh", "@fmaxh", "@fsubh"]))
    middle = core.If(last, [dsd(op, memory, receive, memory)], [dsd(op, send, receive, memory)])
    return [core.If(first, [dsd("@fmovh", send, memory)], [middle])]


COMMUNICATION = (
    chain_reduce,
    broadcast,
    all_gather,
    shift,
    late_receiver,
    exchange,
    word_by_word,
    half_words,
)


class Drawn:
    """A program, the first contents of its arrays [array, y, x, element], and its steps."""

    def __init__(
        self, program: core.Elaborated, values: NDArray[np.float32], steps: Sequence[str]
    ) -> None:
        self.program = program
        self.values = values
        self.steps = steps

    def __repr__(self) -> str:
        size = f"{self.program.width} x {self.program.height}"
        return f"{self.program.arch} {size}: {', '.join(self.steps)}"


@st.composite
def programs(draw: st.DrawFn) -> Drawn:
    """A program of a few steps of communication and compute."""
    width, height = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    arch = draw(st.sampled_from(["wse2", "wse3"]))
    tile = Tile(width, height)
    arrays = [tile.array(name, ELEMENTS) for name in ARRAYS[:3]]
    taken = tile.array("taken", ELEMENTS)
    half = tile.array(ARRAYS[-1], ELEMENTS, kind=Scalar.F16)
    main = tile.function("main", [])
    draft = Draft(tile, RouteBook(width, height), arrays, taken, half, arch, main.body)
    steps: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        if draft.can_communicate:
            step = draw(st.sampled_from(COMMUNICATION))
            steps.append(step.__name__)
            made = draw(step(draft))
            draft.body += made
        for _ in range(draw(st.integers(0, 2))):
            statement = draw(compute(draft))
            steps.append(type(statement).__name__)
            draft.body.append(statement)
    for function in tile.functions:
        function.locals = list(draft.locals)
    seed = draw(st.integers(0, 2**16))
    shape = len(ARRAYS), height, width, ELEMENTS
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32) * np.float32(3)
    return Drawn(tile.elaborated(draft.book, arch), values, tuple(steps))
