"""Loops carried out at once: the same bits and the same cycles as step by step."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from tests.runtime.agreement.programs import RouteBook, Tile, dsd, f32
from tests.runtime.vector.strategies_loops import (
    ELEMENTS,
    HEIGHT,
    I16,
    MEMORY_DSD,
    WIDTH,
    nests,
    number,
)

from waferc_ir.machine import WSE3
from waferc_runtime.csl import core
from waferc_runtime.csl.core import Scalar
from waferc_runtime.vector import VectorEngine
from waferc_runtime.vector.fold import Folder


@contextmanager
def folding(allowed: bool, seen: list[bool]) -> Generator[None, None, None]:
    """Let loops be folded, or not; `seen` takes what became of each."""
    run = Folder.run

    def watched(self: Folder, *arguments: object) -> bool:
        is_folded = allowed and run(self, *arguments)  # type: ignore[arg-type]
        seen.append(is_folded)
        return is_folded

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Folder, "run", watched)
        yield


def outcome(program: core.Elaborated, allowed: bool) -> tuple[np.ndarray, int, int, list[bool]]:
    seen: list[bool] = []
    with folding(allowed, seen):
        engine = VectorEngine(program, WSE3)
        engine.launch("main")
    memory = np.stack([engine.read(name, 0, 0, WIDTH, HEIGHT, ELEMENTS) for name in "abc"])
    statistics = engine.statistics()
    return memory, statistics.cycles, statistics.macs, seen


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(nests())
def test_folded_loops_do_what_loops_do(program: core.Elaborated) -> None:
    memory, cycles, macs, _ = outcome(program, allowed=True)
    expected, expected_cycles, expected_macs, _ = outcome(program, allowed=False)
    np.testing.assert_array_equal(memory, expected)
    assert (cycles, macs) == (expected_cycles, expected_macs)


def contraction(rows: int, inner: int, columns: int) -> core.Elaborated:
    """`c[m, :] += b[k, :] * a[m, k]` in two loops, k outside."""
    tile = Tile(WIDTH, HEIGHT)
    a, b, c = (tile.array(name, ELEMENTS) for name in "abc")
    values = np.random.default_rng(1)
    for array in (a, b):
        array.initial = values.normal(size=(ELEMENTS, 6)).astype(np.float32)
    k, m = core.Local("k", I16, 0), core.Local("m", I16, 1)

    def at(local: core.Local, step: int) -> core.Expr:
        return core.BinaryExpr(I16, "*", core.GetLocal(local), number(step))

    def row(array: core.MemoryObject, local: core.Local) -> core.Expr:
        base = tile.memory(array, columns)
        return core.UpdateDsd(MEMORY_DSD, base, "offset", at(local, columns), Scalar.F32)

    index = core.BinaryExpr(I16, "+", core.GetLocal(k), at(m, inner))
    factor = core.Load(Scalar.F32, tile.pointer(a, index))
    step = dsd("@fmacs", row(c, m), row(c, m), row(b, k), factor)
    inside = core.For(m, None, number(0), number(rows), number(1), [step])
    loop = core.For(k, None, number(0), number(inner), number(1), [inside])
    tile.function("main", [dsd("@fmovs", tile.memory(c), f32(0.0)), loop], [k, m])
    return tile.elaborated(RouteBook(WIDTH, HEIGHT))


def test_a_contraction_is_one_operation() -> None:
    memory, _, macs, seen = outcome(contraction(4, 5, 6), allowed=True)
    assert seen == [True]
    assert macs == WIDTH * HEIGHT * 4 * 5 * 6
    a, b, c = (memory[place] for place in range(3))
    expected = a[..., :20].reshape(HEIGHT, WIDTH, 4, 5) @ b[..., :30].reshape(HEIGHT, WIDTH, 5, 6)
    np.testing.assert_allclose(c[..., :24].reshape(HEIGHT, WIDTH, 4, 6), expected, rtol=1e-5)


def test_a_scalar_that_its_operation_overwrites_is_read_before() -> None:
    tile = Tile(WIDTH, HEIGHT)
    a = tile.array("a", ELEMENTS)
    for name in "bc":
        tile.array(name, ELEMENTS)
    a.initial = np.random.default_rng(2).normal(size=(ELEMENTS, 6)).astype(np.float32)
    k = core.Local("k", I16, 0)
    place = core.MakeMemDsd(MEMORY_DSD, tile.pointer(a, number(2)), (number(0),), (number(2),))
    source = core.MakeMemDsd(MEMORY_DSD, tile.pointer(a, number(0)), (number(1),), (number(2),))
    factor = core.Load(
        Scalar.F32, tile.pointer(a, core.BinaryExpr(I16, "+", core.GetLocal(k), number(2)))
    )
    step = dsd("@fmacs", place, place, source, factor)
    tile.function("main", [core.For(k, None, number(0), number(1), number(1), [step])], [k])
    program = tile.elaborated(RouteBook(WIDTH, HEIGHT))
    memory, *_ = outcome(program, allowed=True)
    np.testing.assert_array_equal(memory, outcome(program, allowed=False)[0])
    first = a.initial.T.reshape(HEIGHT, WIDTH, ELEMENTS).astype(np.float64)
    exact = first[..., 2] * (1 + first[..., 0] + first[..., 1])
    np.testing.assert_allclose(memory[0][..., 2], exact, rtol=1e-5)
