"""Programs with DSRs: saved addresses, registers in loops, fabric DSDs in registers.

A row of PEs; what a register is loaded with and what is done with it is drawn, within a loop too.
Each PE but the last may send to the next, through registers or not.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st
from tests.runtime.agreement.programs import RouteBook, Tile, activate, dsd, f32, truth, u16
from tests.runtime.agreement.samples import Sample

from waferc_runtime.csl import core
from waferc_runtime.csl.core import EAST, Scalar

ELEMENTS = 400
ARRAYS = {"a": ELEMENTS, "b": ELEMENTS}
_FILES: tuple[core.DsrFile, ...] = ("dest", "src0", "src1")
_OPS = {"@fadds": 2, "@fsubs": 2, "@fmaxs": 2, "@fmovs": 1, "@fmacs": 3}
_NEXT_TASK = 9


@dataclass(eq=False)
class Draft:
    """A program under construction, and which registers were loaded with memory DSDs."""

    tile: Tile
    arrays: list[core.MemoryObject]
    locals: list[core.Local] = field(default_factory=lambda: [])
    loaded: set[tuple[core.DsrFile, int]] = field(default_factory=lambda: set())

    def variable(self) -> core.Local:
        made = core.Local(f"k{len(self.locals)}", Scalar.U16, len(self.locals))
        self.locals.append(made)
        return made


@st.composite
def register_programs(draw: st.DrawFn) -> Sample:
    """A row of 1 to 3 PEs."""
    arch = draw(st.sampled_from(["wse2", "wse3"]))
    width = draw(st.integers(1, 3))
    tile = Tile(width, 1)
    values = np.random.default_rng(draw(st.integers(0, 99))).normal(size=ELEMENTS)
    arrays = [tile.array(n, c, values.astype(np.float32)) for n, c in ARRAYS.items()]
    draft = Draft(tile, arrays)
    book = RouteBook(width, 1)
    for start in range(width - 1):
        book.line(start % 2, start, 0, EAST, 1)
    body: list[core.Stmt] = []
    for _ in range(draw(st.integers(1, 4))):
        body += draw(_loads(draft))
        body += draw(st.lists(_statements(draft), min_size=1, max_size=3))
    after: list[core.Stmt] = []
    if width > 1:
        exchanged, after = draw(_exchange(draft, width))
        body += exchanged
    after += draw(st.lists(_statements(draft), max_size=2))
    main = tile.function("main", body)
    task = tile.task(_NEXT_TASK, "after", after)
    body.append(activate(_NEXT_TASK))
    main.locals = task.locals = list(draft.locals)
    return Sample(tile.elaborated(book, arch), ARRAYS)


@st.composite
def _memory(draw: st.DrawFn, draft: Draft) -> core.MakeMemDsd:
    """A memory DSD of one or two dimensions in the middle of an array."""
    tile, item = draft.tile, draw(st.sampled_from(draft.arrays))
    offset = draw(st.integers(150, 250))
    if draw(st.integers(0, 3)):
        extent = draw(st.sampled_from([1, 2, 3, 4, 4, 6]))
        return tile.memory(item, extent, draw(st.sampled_from([1, 1, 1, 2, 0, -1])), offset)
    strides = [draw(st.sampled_from([1, 4, 0, 2, -3])) for _ in range(2)]
    extents = [draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 2]))]
    return core.MakeMemDsd(
        core.Dsd("mem4d"),
        tile.pointer(item, offset),
        tuple(core.Const(Scalar.I16, stride) for stride in strides),
        tuple(u16(extent) for extent in extents),
    )


@st.composite
def _loads(draw: st.DrawFn, draft: Draft) -> list[core.Stmt]:
    found: list[core.Stmt] = []
    for file in _FILES:
        for number in range(draw(st.integers(0, 2))):
            draft.loaded.add((file, number))
            register = core.Const(core.Dsr(file), number)
            saves, single = draw(st.booleans()), draw(st.integers(0, 5)) == 0
            memory = draw(_memory(draft))
            found.append(core.LoadDsr(register, memory, save_address=saves, single_step=single))
    return found


@st.composite
def _operand(draw: st.DrawFn, draft: Draft, files: tuple[core.DsrFile, ...]) -> core.Expr:
    known = sorted(place for place in draft.loaded if place[0] in files)
    if known and draw(st.integers(0, 3)):
        file, number = draw(st.sampled_from(known))
        return core.Const(core.Dsr(file), number)
    return draw(_memory(draft))


@st.composite
def _operation(draw: st.DrawFn, draft: Draft) -> core.Stmt:
    op = draw(st.sampled_from(sorted(_OPS)))
    dest = draw(_operand(draft, ("dest", "src0")))
    sources: list[core.Expr] = [
        draw(_operand(draft, ("src1",) if place or _OPS[op] == 1 else ("src0",)))
        for place in range(min(2, _OPS[op]))
    ]
    scalar = f32(draw(st.sampled_from([0.5, -1.0, 1.25])))
    if _OPS[op] == 3:
        sources.append(scalar)
    elif draw(st.integers(0, 4)) == 0:
        sources[draw(st.integers(0, len(sources) - 1))] = scalar
    return dsd(op, dest, *sources)


@st.composite
def _loop(draw: st.DrawFn, draft: Draft) -> core.Stmt:
    """A loop with operations whose bases go on by themselves, or with the variable."""
    k = draft.variable()
    trips: core.Expr = u16(draw(st.integers(0, 4)))
    if draw(st.booleans()):
        trips = u16((draft.tile.x + draw(st.integers(0, 2))).astype(np.uint16))
    body = draw(st.lists(_operation(draft), min_size=1, max_size=2))
    if draw(st.booleans()):
        base = draft.tile.memory(draw(st.sampled_from(draft.arrays)), 3, offset=core.GetLocal(k))
        known = sorted(draft.loaded)
        if known:
            file, number = draw(st.sampled_from(known))
            register = core.Const(core.Dsr(file), number)
            body.insert(0, core.LoadDsr(register, base, save_address=draw(st.booleans())))
    return core.For(k, None, u16(0), trips, u16(1), body)


@st.composite
def _branch(draw: st.DrawFn, draft: Draft) -> core.Stmt:
    """Operations, or loads, on some of the PEs only."""
    chosen = truth(draft.tile.x % 2 == draw(st.integers(0, 1)))
    known = set(draft.loaded)
    then = draw(st.lists(_operation(draft), max_size=2))
    if draw(st.booleans()):
        then = [*draw(_loads(draft)), *then]
    draft.loaded = known  # those that were not loaded before are loaded on some PEs alone
    return core.If(chosen, then, draw(st.lists(_operation(draft), max_size=1)))


def _statements(draft: Draft) -> st.SearchStrategy[core.Stmt]:
    return st.one_of(_operation(draft), _operation(draft), _loop(draft), _branch(draft))


@st.composite
def _exchange(draw: st.DrawFn, draft: Draft, width: int) -> tuple[list[core.Stmt], list[core.Stmt]]:
    """Each PE sends to the next in parts; registers hold some of the fabric DSDs."""
    tile = draft.tile
    parts, extent = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    into = tile.fabin(np.where(tile.x % 2 == 1, 0, 1), 3, extent)
    out = tile.fabout(np.where(tile.x % 2 == 0, 0, 1), 4, extent)
    first, last = truth(tile.x == 0), truth(tile.x == width - 1)
    kept, taken = core.Const(core.Dsr("src1"), 4), core.Const(core.Dsr("dest"), 4)
    sender, source = core.Const(core.Dsr("dest"), 5), core.Const(core.Dsr("src1"), 5)
    is_async = draw(st.booleans()) and parts == 1
    config = core.DsdConfig(is_async, microthread=3 if is_async else None)
    memory = tile.memory(draft.arrays[0], extent, offset=200)
    receive: list[core.Stmt] = [
        core.LoadDsr(kept, into, config),
        core.LoadDsr(taken, memory, save_address=draw(st.booleans())),
    ]
    send: list[core.Stmt] = [
        core.LoadDsr(sender, out),
        core.LoadDsr(source, memory, save_address=draw(st.booleans())),
    ]
    op = draw(st.sampled_from(["@fmovs", "@fadds"]))
    more = [] if op == "@fmovs" else [tile.memory(draft.arrays[1], extent, offset=200)]
    ways: list[core.Stmt] = [core.If(last, [], [dsd("@fmovs", sender, source)])]
    ways.append(core.If(first, [], [dsd(op, taken, *more, kept)]))
    if draw(st.booleans()) and not is_async:
        # receive, add, forward: behind the own words
        ways = [core.If(first, ways[:1], [core.If(last, ways[1:], [dsd(op, sender, *more, kept)])])]
    for _ in range(parts):
        receive += ways
    return send + receive, []
