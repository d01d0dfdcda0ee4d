"""What happens on the wafer over time, told to whoever wants to draw, print or sum it up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.csl.core import PEClass


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """A task (or a function that the host launched) ran on PE (x, y) from `begin` to `end`."""

    x: int
    y: int
    name: str
    kind: Literal["local", "data", "control", "host", "handler"]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class OperationEvent:
    """An asynchronous operation ran on a microthread of PE (x, y) from `begin` to `end`."""

    x: int
    y: int
    name: str
    microthread: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class WaveletEvent:
    """A wavelet left the router of PE (x, y) in a direction (E W N S, R for ramp) at `cycle`."""

    x: int
    y: int
    direction: Literal["E", "W", "N", "S", "R"]
    color: int
    bits: int
    is_control: bool
    cycle: int


@dataclass(frozen=True, slots=True)
class PrintEvent:
    """A line that a program printed through `<simprint>`."""

    x: int
    y: int
    text: str
    cycle: int


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """PEs of one class went through a function: from `begin` to `end`, what it calls included.

    Functions that `@map` applies are not told. PEs that end at other times may be told apart.
    `path` names the functions that were under way, the task's first; the span of a task begins
    when it is chosen. Of the cycles in between the main thread was at work in `busy`: in `moving`
    of them it received or sent, in `conflicts` it waited for its own memory (`builtins.timing`),
    in the others it computed. In the cycles that are not busy it waited for words, for room to
    send them, or for the datapath. All arrays are [pe].

    `is_apart`: not a function, but an asynchronous operation (the last of `path`, behind the
    function that started it), on a microthread, whose cycles are none of the main thread's.
    """

    program: PEClass
    path: tuple[str, ...]
    x: NDArray[np.integer]
    y: NDArray[np.integer]
    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    busy: NDArray[np.int64]
    moving: NDArray[np.int64]
    conflicts: NDArray[np.int64]
    is_apart: bool = False


Event = TaskEvent | OperationEvent | WaveletEvent | PrintEvent


class Observer:
    """Takes events; the base class ignores them. Engines may tell them out of order.

    Events are of single PEs; an observer of many PEs wants spans alone.
    """

    wants_events: bool = True
    wants_wavelets: bool = False
    wants_spans: bool = False

    def event(self, event: Event) -> None:
        """Take one event."""

    def span(self, span: Span) -> None:
        """Take one span."""
