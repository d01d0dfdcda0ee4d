"""Tries a program: it must be run or refused in time, and refused only with errors of ours."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tests.fuzz.seeds import Seed

from waferc_ir.diagnostics import WaferError
from waferc_ir.machine import machine
from waferc_runtime.csl.elaborate import elaborate
from waferc_runtime.host.engines import ENGINES


class Hang(BaseException):
    """A limit of time was passed. No `Exception`, so that nothing that runs can swallow it."""


@contextmanager
def limit(seconds: float) -> Generator[None]:
    """Raises `Hang` in the main thread after so many seconds."""

    def over(_number: int, _frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far a program came: `refused` with the text of the error, `ran`, or `endless`."""

    how: str
    error: str = ""


def attempt(seed: Seed, seconds: float = 10, run_seconds: float = 1) -> Outcome:
    """Elaborate, then start and launch without arguments on both engines.

    A program may run for ever, elaboration may not.

    Raises:
        Hang: elaboration took longer than `seconds`.
        Exception: whatever comes out that is no WaferError.
    """
    try:
        with limit(seconds):
            program = elaborate(seed.sources, seed.layout, machine(seed.arch), seed.params)
    except WaferError as error:
        return Outcome("refused", error.render())
    how, message = "ran", ""
    calls = [name for name, written in program.export_types.items() if written == "fn()void"]
    for factory in ENGINES.values():
        try:
            with limit(run_seconds):
                engine = factory(program, machine(seed.arch))
                engine.start()
                for name in calls:
                    engine.launch(name, wait=False)
                    engine.finish()
        except WaferError as error:
            message = error.render()
        except Hang:
            how = "endless"
    return Outcome(how, message)


def place_of(problem: BaseException) -> str:
    """What came out, and the line of the source that it came from."""
    frame = traceback.extract_tb(problem.__traceback__)[-1]
    text = str(problem).splitlines()[:1]
    if isinstance(problem, Hang):  # where it was seen is chance
        return "Hang"
    return f"{type(problem).__name__} {Path(frame.filename).name}:{frame.lineno} {text}"
