"""Loop nests over memory operations, as kernels have them, and some that must not be folded."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from tests.runtime.agreement.programs import MEMORY_DSD, RouteBook, Tile, dsd, f32

from waferc_runtime.csl import core
from waferc_runtime.csl.core import Scalar

ELEMENTS = 48
WIDTH, HEIGHT = 3, 2
I16 = Scalar.I16


def number(value: int) -> core.Const:
    return core.Const(I16, value)


class Nest:
    """A function with a nest of up to three loops, under construction."""

    def __init__(self) -> None:
        self.tile = Tile(WIDTH, HEIGHT)
        self.arrays = [self.tile.array(name, ELEMENTS) for name in "abc"]
        self.locals: list[core.Local] = []

    def local(self, kind: core.CoreType) -> core.Local:
        made = core.Local(f"v{len(self.locals)}", kind, len(self.locals))
        self.locals.append(made)
        return made


@st.composite
def indices(draw: st.DrawFn, loops: list[core.Local]) -> core.Expr:
    """A small affine index of the loops."""
    index: core.Expr = number(draw(st.integers(0, 6)))
    for loop in loops:
        step = draw(st.sampled_from([0, 1, 1, 2, 4]))
        term = core.BinaryExpr(I16, "*", core.GetLocal(loop), number(step))
        index = core.BinaryExpr(I16, "+", index, term)
    return index


@st.composite
def vectors(draw: st.DrawFn, nest: Nest, loops: list[core.Local], extent: int) -> core.Expr:
    """A DSD moved by the loops."""
    array = draw(st.sampled_from(nest.arrays))
    stride = draw(st.sampled_from([1, 1, 1, 2, 0]))
    base = nest.tile.memory(array, extent, stride, draw(st.integers(0, 8)))
    moved = draw(indices(loops))
    return core.UpdateDsd(MEMORY_DSD, base, "offset", moved, Scalar.F32)


@st.composite
def statements(draw: st.DrawFn, nest: Nest, loops: list[core.Local]) -> list[core.Stmt]:
    extent = draw(st.integers(1, 4))
    array = draw(st.sampled_from(nest.arrays))
    cell = core.Load(Scalar.F32, nest.tile.pointer(array, draw(indices(loops))))
    match draw(st.sampled_from(["fmac", "fold", "store", "variable", "map"])):
        case "fmac":
            dest = draw(vectors(nest, loops, extent))
            addend = draw(st.sampled_from([dest, draw(vectors(nest, loops, extent))]))
            factor = draw(vectors(nest, loops, extent))
            return [dsd("@fmacs", dest, addend, factor, cell)]
        case "fold":
            target = nest.tile.pointer(array, draw(indices(loops)))
            start: core.Expr = draw(st.sampled_from([core.Load(Scalar.F32, target), f32(0.5)]))
            return [dsd("@fadds", target, start, draw(vectors(nest, loops, extent)))]
        case "store":
            target = nest.tile.pointer(draw(st.sampled_from(nest.arrays)), draw(indices(loops)))
            return [core.Store(target, cell)]
        case "variable":
            value = nest.local(Scalar.F32)
            dest = draw(vectors(nest, loops, extent))
            add = dsd("@fadds", dest, dest, core.GetLocal(value))
            return [core.SetLocal(value, cell), add]
        case _:
            source, dest = (draw(vectors(nest, loops, extent)) for _ in range(2))
            return [core.MapOperation("math.tanh", Scalar.F32, (source,), dest)]


@st.composite
def bodies(draw: st.DrawFn, nest: Nest, loops: list[core.Local], depth: int) -> list[core.Stmt]:
    body = draw(statements(nest, loops))
    if depth:
        loop = nest.local(I16)
        inner = draw(bodies(nest, [*loops, loop], depth - 1))
        trips = number(draw(st.integers(1, 4)))
        body.insert(0, core.For(loop, None, number(0), trips, number(1), inner))
    if draw(st.booleans()):
        body = body[:1]
    if loops and draw(st.integers(0, 3)) == 0:
        body += draw(statements(nest, loops))
    return body


@st.composite
def carried(draw: st.DrawFn, nest: Nest) -> list[core.Stmt]:
    """A loop that moves a DSD from iteration to iteration."""
    row, loop = nest.local(MEMORY_DSD), nest.local(I16)
    extent = draw(st.integers(1, 4))
    step = number(draw(st.sampled_from([0, extent, 5])))
    array = draw(st.sampled_from(nest.arrays))
    cell = core.Load(Scalar.F32, nest.tile.pointer(array, core.GetLocal(loop)))
    factor = nest.tile.memory(nest.arrays[0], extent)
    here = core.GetLocal(row)
    moved = core.UpdateDsd(MEMORY_DSD, here, "offset", step, Scalar.F32)
    body: list[core.Stmt] = [dsd("@fmacs", here, here, factor, cell), core.SetLocal(row, moved)]
    trips = number(draw(st.integers(1, 5)))
    return [
        core.SetLocal(row, nest.tile.memory(nest.arrays[1], extent)),
        core.For(loop, None, number(0), trips, number(1), body),
        dsd("@fadds", core.GetLocal(row), core.GetLocal(row), f32(1.0)),
    ]


@st.composite
def nests(draw: st.DrawFn) -> core.Elaborated:
    """A program of one function `main` with loops, and random memory."""
    nest = Nest()
    body = draw(bodies(nest, [], draw(st.integers(1, 3))))
    if draw(st.booleans()):
        body += draw(carried(nest))
    values = np.random.default_rng(draw(st.integers(0, 99)))
    for array in nest.arrays:
        shape = (ELEMENTS, WIDTH * HEIGHT)
        array.initial = values.normal(size=shape).astype(np.float32)
    nest.tile.function("main", body, nest.locals)
    return nest.tile.elaborated(RouteBook(WIDTH, HEIGHT))
