"""Seconds and bytes: what a piece of work takes, in a process of its own where memory counts."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU and wall clock seconds, and the most bytes held beyond those at the start."""

    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int


def cost_of(work: Callable[[], object]) -> Cost:
    """Do the work and say what it took; bytes count only if the process never held more before."""
    before = peak_bytes()
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Cost(cpu, wall, peak_bytes() - before)


def peak_bytes() -> int:
    """The most bytes that this process has held in memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def apart(work: Callable[..., Cost], *args: object) -> Cost:
    """`work(*args)` in a fresh process, so that its memory is its own.

    `work` is a function of a module.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, args)
