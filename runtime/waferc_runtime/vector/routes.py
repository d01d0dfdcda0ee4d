"""Static routes: where a wavelet goes from a PE's ramp, traced for many senders at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.csl.core import EAST, NORTH, RAMP, SOUTH, WEST, Routes
from waferc_runtime.vector.lanes import Indices

_STEPS = ((EAST, WEST, 1, 0), (WEST, EAST, -1, 0), (NORTH, SOUTH, 0, -1), (SOUTH, NORTH, 0, 1))


class RouteFault(Exception):  # noqa: N818 (an event that the engine turns into a RunError)
    """A wavelet from PE `source` comes, at PE `at`, where no route takes it."""

    def __init__(self, message: str, color: int, source: int, at: int) -> None:
        super().__init__(message)
        self.message = message
        self.color = color
        self.source = source
        self.at = at


@dataclass(frozen=True, slots=True, eq=False)
class Fan:
    """Ways from senders to receivers. A way has a sender (its position), receiver and hops.

    Ways are sorted by sender; `first` is where each sender's begin, None if all have one way.
    """

    sender: Indices  # [way]
    receiver: Indices  # [way] PE number
    hops: NDArray[np.int64]  # [way]
    first: Indices | None  # [sender]


class ColorRoutes:
    """The routes of one color. PEs are numbered row by row."""

    def __init__(self, color: int, routes: Routes | None, width: int, height: int) -> None:
        pes = width * height
        none = np.zeros(pes, np.uint8)
        self.color = color
        self.rx = none if routes is None else routes.rx.reshape(-1)
        self.tx = none if routes is None else routes.tx.reshape(-1)
        self.sent = np.zeros(pes, np.int64)  # words sent, by sender
        self._width = width
        self._height = height
        self._start = np.full(pes, -1, np.int64)  # of a sender's ways, -1: not traced yet
        self._length = np.zeros(pes, np.int64)
        self._receiver = np.zeros(0, np.intp)
        self._hops = np.zeros(0, np.int64)
        self._links: list[tuple[Indices, Indices, int, int]] = []  # sender, PE left, way, hops

    def fan(self, senders: Indices) -> Fan:
        """The ways of words from these PEs.

        Raises:
            RouteFault: some sender has none, or a way ends where no route takes it.
        """
        unknown = senders[self._start[senders] < 0]
        if len(unknown):
            self._trace(unknown)
        start, length = self._start[senders], self._length[senders]
        if (length == 1).all():
            return Fan(np.arange(len(senders)), self._receiver[start], self._hops[start], None)
        first = np.cumsum(length) - length
        sender = np.repeat(np.arange(len(senders)), length)
        ways = np.arange(len(sender)) - first[sender] + start[sender]
        return Fan(sender, self._receiver[ways], self._hops[ways], first)

    def source(self, pe: int) -> int | None:
        """The PE from whose ramp the color reaches `pe`; None if the route starts nowhere."""
        seen: set[int] = set()
        while pe not in seen:
            seen.add(pe)
            mask = int(self.rx[pe])
            if mask & RAMP:
                return pe
            y, x = divmod(pe, self._width)
            for direction, _, dx, dy in _STEPS:
                inside = 0 <= x + dx < self._width and 0 <= y + dy < self._height
                if mask & direction and inside:
                    pe = (y + dy) * self._width + x + dx
                    break
        return None

    def ways(self) -> tuple[Indices, Indices, NDArray[np.int64]]:
        """Senders with one receiver, those receivers, and the hops between them."""
        senders = np.flatnonzero(self._length == 1)
        start = self._start[senders]
        return senders, self._receiver[start], self._hops[start]

    def link_load(self, behind: Callable[[Indices, int], NDArray[np.int64]]) -> NDArray[np.int64]:
        """Words that left each PE: [direction E W N S, y, x].

        `behind(senders, hops)` says how many words of each sender are not yet past the link that
        is so many hops away.
        """
        load = np.zeros((4, len(self.sent)), np.int64)
        for sender, pe, direction, hops in self._links:
            np.add.at(load[direction], pe, self.sent[sender] - behind(sender, hops))
        return load.reshape(4, self._height, self._width)

    def crossed(self, senders: Indices) -> Iterator[tuple[Indices, Indices, int, int]]:
        """The links that words of these senders go over.

        In parts: positions of senders, the PEs whose routers they leave, direction, hops so far.
        """
        order = np.argsort(senders)
        for sender, pe, direction, hops in self._links:
            place = np.searchsorted(senders, sender, sorter=order)
            position = order[np.minimum(place, len(senders) - 1)]
            here = senders[position] == sender
            if here.any():
                yield position[here], pe[here], direction, hops

    def _trace(self, senders: Indices) -> None:
        bad = senders[((self.rx[senders] & RAMP) == 0) | (self.tx[senders] == 0)]
        if len(bad):
            raise RouteFault(
                "no route takes it from the ramp", self.color, int(bad[0]), int(bad[0])
            )
        source, here = senders, senders
        found: list[tuple[Indices, Indices, int]] = []
        hops = 0
        while len(here):
            ways = self.tx[here]
            any_way = int(np.bitwise_or.reduce(ways))
            lands = (ways & RAMP) != 0
            found.append((source[lands], here[lands], hops))
            sources: list[Indices] = []
            places: list[Indices] = []
            for place, (direction, opposite, dx, dy) in enumerate(_STEPS):
                if not any_way & direction:
                    continue
                goes = (ways & direction) != 0
                going, left = source[goes], here[goes]
                outside = self._leaves(left, dx, dy)
                if outside.any():
                    raise RouteFault(
                        "its route leads out of the rectangle",
                        self.color,
                        int(going[outside][0]),
                        int(left[outside][0]),
                    )
                there = left + dx + dy * self._width
                refused = (self.rx[there] & opposite) == 0
                if refused.any():
                    raise RouteFault(
                        "no route takes it there",
                        self.color,
                        int(going[refused][0]),
                        int(there[refused][0]),
                    )
                self._links.append((going, left, place, hops))
                sources.append(going)
                places.append(there)
            hops += 1
            if hops > len(self.rx):
                raise RouteFault(
                    "its route runs in a circle", self.color, int(source[0]), int(here[0])
                )
            source = np.concatenate(sources) if sources else np.zeros(0, np.intp)
            here = np.concatenate(places) if places else np.zeros(0, np.intp)
        self._enter(senders, found)

    def _leaves(self, pes: Indices, dx: int, dy: int) -> NDArray[np.bool_]:
        """Where the next PE in a direction is outside the rectangle."""
        if dx:
            return pes % self._width == (self._width - 1 if dx > 0 else 0)
        return pes < self._width if dy < 0 else pes >= len(self.rx) - self._width

    def _enter(self, senders: Indices, found: list[tuple[Indices, Indices, int]]) -> None:
        source = np.concatenate([part[0] for part in found])
        receiver = np.concatenate([part[1] for part in found])
        hops = np.repeat([part[2] for part in found], [len(part[0]) for part in found])
        order = np.argsort(source, kind="stable")
        source = source[order]
        base = len(self._receiver)
        self._start[senders] = base + np.searchsorted(source, senders)
        self._length[senders] = np.searchsorted(source, senders, "right") - (
            self._start[senders] - base
        )
        nowhere = senders[self._length[senders] == 0]
        if len(nowhere):
            self._start[senders] = -1
            pe = int(nowhere[0])
            raise RouteFault("its route ends at no ramp", self.color, pe, pe)
        self._receiver = np.concatenate([self._receiver, receiver[order].astype(np.intp)])
        self._hops = np.concatenate([self._hops, hops[order].astype(np.int64)])
