"""Links that colors without routers share: a link carries one word per cycle for all of them.

Messages take a link one after the other, in the order in which the engine sends them: that is the
order of time but for messages that overlap, which routers would let alternate. A link with
gaps between words holds nobody up. Not shared here are ramps, links with dynamic colors, and
those of colors whose ways go over more than a million shared links: broadcasts on large wafers.
On small wafers no link is shared here: colors that meet have routers (`dynamic.meeting_colors`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from waferc_ir.machine import Machine
from waferc_runtime.csl.core import EAST, NORTH, RAMP, SOUTH, WEST, Routes
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.routes import ColorRoutes
from waferc_runtime.vector.when import Times, When, processed

_DIRECTIONS = (EAST, WEST, NORTH, SOUTH)
_STEPS = ((1, 0), (-1, 0), (0, -1), (0, 1))
_LONG_AGO = -(1 << 40)
_MOST_LINKS = 1 << 20  # shared links on all ways of a color, so that a message costs little


class SharedLinks:
    """The links of a wafer that several of the `colors` use, and until when each is taken."""

    def __init__(self, routes: Iterable[Routes], machine: Machine, width: int, height: int) -> None:
        users = np.zeros((4, height, width), np.int64)
        for route in routes:
            for number, direction in enumerate(_DIRECTIONS):
                users[number] += (route.tx & direction) != 0
        self.is_shared = (users > 1).reshape(4, -1)
        self.width = width
        self.hop_cycles, self.ramp_cycles = machine.hop_cycles, machine.ramp_cycles
        self.is_any = bool(self.is_shared.any())
        links = 4 * width * height if self.is_any else 0
        self._first = np.full(links, _LONG_AGO, np.int64)  # of the words that are close together
        self._until = np.full(links, _LONG_AGO, np.int64)
        self._words = np.zeros(links, np.int64)

    def free_from(self, links: Indices, begin: Times, end: Times) -> Times:
        """From when on words may go that would from `begin` to `end`; long ago: at any time.

        Words that come before those known of are counted as gone before these.
        """
        first, until = self._first[links], self._until[links]
        is_full = 4 * self._words[links] > 3 * (until - first)
        meets = (begin <= until) & (end >= first) & is_full
        return np.where(meets, until + 1 - np.maximum(first - begin, 0), _LONG_AGO)

    def take(self, links: Indices, begin: Times, end: Times, words: int) -> None:
        """So many words go over each link from `begin` to `end`."""
        first = np.minimum(self._first[links], begin)
        until = np.maximum(self._until[links], end)
        together = self._words[links] + words
        goes_on = 4 * together > 3 * (until - first)
        self._words[links] = np.where(goes_on, together, words)
        self._first[links] = np.where(goes_on, first, begin)
        self._until[links] = np.where(goes_on, until, end)


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """Shared links at one distance from the senders of a color; ways that fork there share one."""

    column: Indices
    link: Indices
    before: Times  # cycles from crossing the link to the arrival


class LinksOfColor:
    """The shared links on the ways to the `receivers` (PE numbers) of a color."""

    def __init__(self, shared: SharedLinks, routes: ColorRoutes, receivers: Indices) -> None:
        self._shared = shared
        columns, here = np.arange(len(receivers)), receivers
        pes, distance = len(routes.rx), 0
        whole = np.zeros(len(receivers), np.int64)  # hops from the sender to each receiver
        parts: list[tuple[Indices, Indices, int]] = []
        most = _MOST_LINKS
        while len(here) and distance <= pes and most >= 0:
            is_inside = (routes.rx[here] & RAMP) == 0
            way, before = self._back(routes, here)
            known = is_inside & (way >= 0)
            columns, here, way = columns[known], before[known], way[known]
            distance += 1
            whole[columns] = distance
            taken = shared.is_shared[way, here]
            if taken.any():
                parts.append((columns[taken], way[taken] * pes + here[taken], distance))
                most -= len(parts[-1][0])
        self._levels = self._by_level(parts, whole) if most >= 0 else []

    def _by_level(self, parts: list[tuple[Indices, Indices, int]], whole: Times) -> list[_Level]:
        """Links by their distance from the sender: columns, links and hops to the receivers."""
        if not parts:
            return []
        column = np.concatenate([part[0] for part in parts])
        link = np.concatenate([part[1] for part in parts])
        hops = np.repeat([part[2] for part in parts], [len(part[0]) for part in parts])
        before = self._shared.ramp_cycles + hops * self._shared.hop_cycles
        depth = whole[column] - hops
        return [
            _Level(column[depth == n], link[depth == n], before[depth == n])
            for n in np.unique(depth)
        ]

    def _back(self, routes: ColorRoutes, here: Indices) -> tuple[Indices, Indices]:
        """By which way words come to PEs, seen from the PE before, and that PE; -1: from none."""
        way = np.full(len(here), -1, np.intp)
        before = here.copy()
        for number, direction in enumerate(_DIRECTIONS):
            comes = (routes.rx[here] & direction) != 0
            dx, dy = _STEPS[number]
            way[comes] = number ^ 1  # the opposite direction
            before[comes] = here[comes] + dx + dy * self._shared.width
        return way, before

    @property
    def is_any(self) -> bool:
        """Whether some link on the ways is shared."""
        return bool(self._levels)

    def passed(self, columns: Indices, arrival: When, receivers: int) -> When:
        """When words for `columns` arrive that would at `arrival`; their links are taken."""
        place = np.full(receivers, -1, np.intp)
        place[columns] = np.arange(len(columns))
        for level in self._levels:
            ways = place[level.column]
            here = ways >= 0
            ways, links, before = ways[here], level.link[here], level.before[here]
            if not len(ways):
                continue
            begin, end = arrival.begin()[ways], arrival.end()[ways]
            free = self._shared.free_from(links, begin - before, end - before)
            if (free > _LONG_AGO).any():
                start = np.full(len(columns), _LONG_AGO, np.int64)
                start[ways] = free + before
                arrival = processed(start, 1, len(arrival), [arrival])
            begin, end = arrival.begin()[ways], arrival.end()[ways]
            self._shared.take(links, begin - before, end - before, len(arrival))
        return arrival
