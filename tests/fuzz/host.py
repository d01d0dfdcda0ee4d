"""The long fuzzer of host calls: `python -m tests.fuzz.host --seconds N [--seed S]`.

Draws sequences of calls of the vendor's host API, of sessions and of engines: wrong shapes, element
types, names, rectangles, and any order. Nothing but an error of ours may come out, and nothing may
take longer than a few seconds. Each finding is told once per place, with the call.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tests.fuzz.attempt import Hang, limit, place_of
from tests.runtime.host.csl_programs import compile_streaming
from tests.runtime.host.programs import product_bundle

from waferc_ir.diagnostics import WaferError
from waferc_runtime.host.sdk import MemcpyDataType, MemcpyOrder, SdkRuntime
from waferc_runtime.host.session import Session

_SECONDS = 10.0  # that a call may take

ODD: tuple[Any, ...] = (None, "x", "", 1.5, float("nan"), -1, 1 << 40, b"", (), [1], {}, True)
DTYPES = ("u4", "f4", "i4", "u2", "f2", "f8", "O", "u1", "U2", "?", "c8")
NAMES = ("sums", "halves", "x", "w", "y", "add", "forget", "main", "to", "from", "absent")


class Drawing:
    """Arguments by chance, mostly such as a call takes."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def of(self, *values: Any) -> Any:
        """One of the values, sometimes an odd one."""
        return self.chance.choice(ODD if self.chance.random() < 0.1 else values)

    def number(self, low: int, high: int) -> Any:
        """A whole number, sometimes of NumPy."""
        number = self.chance.randint(low, high)
        return self.of(number, number, np.int16(number), np.int64(number))

    def array(self, *sizes: int) -> Any:
        """An array of one of the sizes."""
        size = self.chance.choice([*sizes, 0, 1, 3])
        shape = self.chance.choice([(size,), (size, 1), (1, 1, size), (2, size)])
        dtype = self.chance.choice(DTYPES if self.chance.random() < 0.3 else DTYPES[:3])
        array = np.zeros(shape, dtype)
        if self.chance.random() < 0.1:
            array = array[::2]
        if self.chance.random() < 0.1:
            array.flags.writeable = False
        return self.of(array, array, array)

    def name(self) -> Any:
        """A name that some program may know."""
        return self.of(*NAMES)

    def rectangle(self) -> list[Any]:
        """x, y, width, height."""
        return [self.number(0, 2), self.number(0, 1), self.number(1, 2), self.number(0, 2)]


def vendor_calls(draw: Drawing, compiled: Path) -> list[Callable[[], object]]:
    """Calls of the vendor's API on one of its runtimes."""
    engine = draw.chance.choice(["vector", "reference"])
    runtime: Any = SdkRuntime(compiled, engine=engine)
    tasks: list[Any] = []

    def kinds() -> dict[str, Any]:
        drawn = {
            "streaming": draw.of(True, False),
            "nonblock": draw.of(True, False),
            "data_type": draw.of(*MemcpyDataType),
            "order": draw.of(*MemcpyOrder),
        }
        return {key: drawn[key] for key in drawn if draw.chance.random() < 0.4}

    def copy(name: str, *more: Any) -> None:
        handle, array = draw.number(0, 6), draw.array(2, 4, 8)
        first = (array, handle) if name == "memcpy_d2h" else (handle, array)
        call = getattr(runtime, name)
        place = [*draw.rectangle(), draw.number(0, 4)]
        tasks.append(call(*first, *place, *more, **kinds()))

    copies = ("memcpy_h2d", "memcpy_d2h", "memcpy_h2d_rowbcast", "memcpy_h2d_colbcast")
    choices: list[Callable[[], object]] = [
        runtime.load,
        runtime.run,
        runtime.stop,
        lambda: runtime.get_id(draw.name()),
        lambda: runtime.get_port_id(draw.name()),
        lambda: runtime.read_symbol(
            draw.number(0, 2), draw.number(0, 1), draw.name(), draw.of(*DTYPES)
        ),
        *[lambda name=name: copy(name) for name in copies for _ in range(2)],
        lambda: copy("memcpy_h2d_stride", draw.number(0, 2), draw.number(0, 2)),
        lambda: tasks.append(
            runtime.launch(draw.name(), *[draw.number(-9, 9)] * draw.chance.randint(0, 3))
        ),
        lambda: runtime.call(draw.name(), draw.of([], [1], (2, 3))),
        lambda: runtime.send(draw.name(), draw.array(2, 4)),
        lambda: runtime.receive(draw.name(), draw.array(2, 4), draw.number(0, 4)),
        lambda: runtime.task_wait(draw.of(*tasks, 0)),
        lambda: runtime.is_task_done(draw.of(*tasks, 0)),
        runtime.report_port_infos,
        lambda: runtime.coord_logical_to_physical(draw.of((0, 0), (1, 5), [2])),
    ]
    start = [runtime.load, runtime.run] if draw.chance.random() < 0.8 else []
    return [*start, *draw.chance.choices(choices, k=draw.chance.randint(1, 8))]


def session_calls(draw: Drawing, compiled: Path) -> list[Callable[[], object]]:
    """Calls of a compiled program."""
    session: Any = Session(product_bundle(), draw.chance.choice(["vector", "reference"]))

    def run() -> object:
        inputs = {
            draw.chance.choice(["x", "x", "w", "y"]): draw.array(4, 8)
            for _ in range(draw.chance.randint(0, 2))
        }
        return session.run(draw.of(inputs, inputs, inputs))

    choices = [run, run, run, session.reset, session.states, session.measure]
    return draw.chance.choices(choices, k=draw.chance.randint(1, 5))


def engine_calls(draw: Drawing, compiled: Path) -> list[Callable[[], object]]:
    """Calls of an engine, as programs in Python make them: types are right, values may be wrong."""
    chance = draw.chance
    engine = Session(product_bundle(), chance.choice(["vector", "reference"])).engine

    def number(*more: int) -> int:
        return chance.choice([0, 0, 1, 1, 2, *more, -1 if chance.random() < 0.5 else 1 << 40])

    def rectangle() -> tuple[int, int, int, int]:
        return number(), number(), number(), number()

    def array() -> np.ndarray[Any, Any]:
        shape = chance.choice([(1, 1, 2), (1, 2, 2), (1, 2, 3), (2, 2, 2), (0, 1, 2), (1, 1, 0)])
        return np.zeros(shape, chance.choice(["f4", "u4", "f2", "f8"]))

    choices: list[Callable[[], object]] = [
        lambda: engine.write(chance.choice(NAMES), number(), number(), array()),
        lambda: engine.read(chance.choice(NAMES), *rectangle(), number(4, 9)),
        lambda: engine.launch(chance.choice(NAMES), *[1] * chance.randint(0, 2)),
        lambda: engine.symbol(number(), number(), chance.choice(NAMES)),
        lambda: engine.send(number(4, 5), number(), number(), array().astype(np.uint32)),
        lambda: engine.receive(number(4, 5), *rectangle(), number()),
        lambda: engine.received(number(4, 5), *rectangle()),
        engine.start,
        engine.finish,
        engine.statistics,
    ]
    return chance.choices(choices, k=chance.randint(1, 6))


MAKERS = (vendor_calls, session_calls, engine_calls)


def attempt_calls(chance: random.Random, compiled: Path) -> int:
    """Draw and make a sequence of calls; how many were refused.

    Raises:
        Hang: a call took too long.
        Exception: whatever comes out that is no WaferError.
    """
    refused = 0
    for call in chance.choice(MAKERS)(Drawing(chance), compiled):
        try:
            with limit(_SECONDS):
                call()
        except WaferError as error:
            error.render()
            refused += 1
    return refused


def main() -> int:
    """Fuzz for a while; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.host")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    found: Counter[str] = Counter()
    sequences = refused = 0
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        compiled = compile_streaming(Path(name))
        end = time.monotonic() + arguments.seconds
        while time.monotonic() < end:
            sequences += 1
            seed = f"{arguments.seed}:{sequences}"
            try:
                refused += attempt_calls(random.Random(seed), compiled)
            except (Hang, Exception) as problem:
                place = place_of(problem)
                found[place] += 1
                if found[place] == 1:
                    print(f"FOUND {place} (seed {seed})", flush=True)
    print(f"{sequences:,} sequences, {refused:,} calls refused; {found.total()} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
