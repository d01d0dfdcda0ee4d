"""Seconds and bytes: what a piece of work takes, in a process of its own where memory counts."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU and wall clock seconds, and the most bytes held beyond those at the start."""

    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int


def cost_of(work: Callable[[], object]) -> Cost:
    """Do the work and say what it took."""
    _forget_peak()
    before = _status("VmRSS")
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Cost(cpu, wall, _status("VmHWM") - before)


def _forget_peak() -> None:
    """Let the kernel count the most bytes held from now on."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")


def _status(name: str) -> int:
    """Bytes of this process, as Linux tells them: `VmRSS` now, `VmHWM` at most."""
    for line in Path("/proc/self/status").read_text().splitlines():
        key, _, rest = line.partition(":")
        if key == name:
            return int(rest.split()[0]) * 1024
    raise OSError(f"/proc/self/status has no {name}")


def apart(work: Callable[..., Result], *args: object) -> Result:
    """`work(*args)` in a fresh process, so that its memory is its own.

    `work` is a function of a module.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, args)
