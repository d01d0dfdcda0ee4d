"""What happens on the wafer over time, told to whoever wants to draw or print it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


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


Event = TaskEvent | OperationEvent | WaveletEvent | PrintEvent


class Observer:
    """Takes events; the base class ignores them. Engines may tell them out of order."""

    wants_wavelets: bool = False

    def event(self, event: Event) -> None:
        """Take one event."""
