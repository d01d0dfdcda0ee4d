from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.runtime.library.collectives import LAYOUT, pe
from tests.runtime.library.engines import ENGINES

from waferc_ir.machine import machine
from waferc_runtime.csl.elaborate import elaborate

Array = NDArray[Any]
Step = tuple[str, str, int, int]  # axis, operation, root, words per PE
WORDS = 24


def run(steps: list[Step], width: int, height: int, arch: str, send: Array) -> list[Array]:
    """`send` and `recv` of all PEs [y, x, word] after the steps, from each engine."""
    calls = [
        f"{axis}.broadcast({root}, r, {count}, next);"
        if operation == "broadcast"
        else f"{axis}.reduce_fadds({root}, &send, &recv, {count}, next);"
        if operation == "reduce_fadds"
        else f"{axis}.{operation}({root}, s, r, {count}, next);"
        for axis, operation, root, count in steps
    ]
    sources = {"layout.csl": LAYOUT, "pe.csl": pe(calls, WORDS)}
    program = elaborate(sources, "layout.csl", machine(arch), {"width": width, "height": height})
    results: list[Array] = []
    for engine_of in ENGINES:
        engine = engine_of(program, machine(arch))
        engine.write("send", 0, 0, send)
        engine.launch("main")
        results.append(engine.read("recv", 0, 0, width, height, WORDS))
    return results


def expected(steps: list[Step], send: Array) -> Array:
    recv = np.zeros_like(send)
    for axis, operation, root, count in steps:
        order = (1, 0, 2) if axis == "y" else (0, 1, 2)
        given, taken = send.transpose(order), recv.transpose(order)  # [line, pe, word]; views
        pes = given.shape[1]
        match operation:
            case "broadcast":
                taken[:, :, :count] = taken[:, root : root + 1, :count].copy()
            case "scatter":
                parts = given[:, root, : pes * count].reshape(len(given), pes, count)
                taken[:, :, :count] = parts
            case "gather":
                taken[:, root, : pes * count] = given[:, :, :count].reshape(len(given), -1)
            case _:
                taken[:, root, :count] = given[:, :, :count].sum(axis=1)
    return recv


@st.composite
def programs(draw: st.DrawFn) -> tuple[list[Step], int, int]:
    width, height = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, 6))):
        axis = draw(st.sampled_from(["x", "y"]))
        pes = width if axis == "x" else height
        operation = draw(st.sampled_from(["broadcast", "scatter", "gather", "reduce_fadds"]))
        count = draw(st.integers(1, WORDS // pes))
        steps.append((axis, operation, draw(st.integers(0, pes - 1)), count))
    return steps, width, height


@settings(max_examples=8)
@given(programs(), st.sampled_from(["wse2", "wse3"]))
def test_operations_in_a_row_do_what_they_say(
    drawn: tuple[list[Step], int, int], arch: str
) -> None:
    steps, width, height = drawn
    send = np.arange(height * width * WORDS, dtype=np.float32).reshape(height, width, WORDS)
    for recv in run(steps, width, height, arch, send):
        np.testing.assert_array_equal(recv, expected(steps, send))
