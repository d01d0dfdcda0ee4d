"""Shortest paths on the fabric that share no color with what is there already."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

PE = tuple[int, int]

# The price of a path: of each hop, of each path that a PE on the way carries already, of a turn.
_HOP, _CROWD, _TURN = 8, 4, 1
_DIRECTIONS = ((1, 0), (0, 1), (0, -1), (-1, 0))


@dataclass
class Wiring:
    """The colors in use on every PE of a rectangle."""

    width: int
    height: int
    rectangles: list[tuple[PE, int, int, frozenset[int]]] = field(default_factory=lambda: [])
    paths: dict[PE, set[int]] = field(default_factory=lambda: {})

    def occupy(self, corner: PE, width: int, height: int, colors: Iterable[int]) -> None:
        """Enter colors that all PEs of a rectangle use."""
        self.rectangles.append((corner, width, height, frozenset(colors)))

    def colors_at(self, pe: PE) -> frozenset[int]:
        """Colors in use on a PE."""
        found = frozenset(self.paths.get(pe, ()))
        for (x, y), width, height, colors in self.rectangles:
            if x <= pe[0] < x + width and y <= pe[1] < y + height:
                found |= colors
        return found

    def connect(self, source: PE, target: PE, colors: Sequence[int]) -> tuple[int, list[PE]] | None:
        """A color and the PEs of a path in it, entered as used; None if there is none.

        The cheapest path is taken if one color is free all along it; otherwise the cheapest of
        the paths that each color allows.
        """
        best = self._search(source, target, None)
        color = None if best is None else self._free_along(best[1], colors)
        if best is None or color is None:
            options = [
                (found[0], color, found[1])
                for color in colors
                if (found := self._search(source, target, color)) is not None
            ]
            if not options:
                return None
            _, color, path = min(options, key=lambda option: option[:2])
        else:
            path = best[1]
        for pe in path:
            self.paths.setdefault(pe, set()).add(color)
        return color, path

    def _free_along(self, path: Sequence[PE], colors: Sequence[int]) -> int | None:
        taken = frozenset[int]().union(*(self.colors_at(pe) for pe in path))
        return next((color for color in colors if color not in taken), None)

    def _search(self, source: PE, target: PE, color: int | None) -> tuple[int, list[PE]] | None:
        """A*: the cheapest path, through PEs where `color` is free if one is given."""
        start: tuple[PE, int] = (source, -1)
        costs: dict[tuple[PE, int], int] = {start: 0}
        origins: dict[tuple[PE, int], tuple[PE, int]] = {}
        queue: list[tuple[int, int, tuple[PE, int]]] = [
            (_HOP * _distance(source, target), 0, start)
        ]
        if color is not None and color in self.colors_at(source):
            return None
        while queue:
            _, cost, state = heapq.heappop(queue)
            (x, y), heading = state
            if (x, y) == target:
                return cost, _trace(state, origins)
            if cost > costs[state]:
                continue
            for direction, (dx, dy) in enumerate(_DIRECTIONS):
                pe = (x + dx, y + dy)
                if not (0 <= pe[0] < self.width and 0 <= pe[1] < self.height):
                    continue
                if color is not None and color in self.colors_at(pe):
                    continue
                price = cost + _HOP + _CROWD * len(self.paths.get(pe, ()))
                price += _TURN if heading not in (-1, direction) else 0
                following = (pe, direction)
                if price < costs.get(following, price + 1):
                    costs[following] = price
                    origins[following] = state
                    estimate = price + _HOP * _distance(pe, target)
                    heapq.heappush(queue, (estimate, price, following))
        return None


def corners_of(path: Sequence[PE]) -> tuple[PE, ...]:
    """The ends of a path and the PEs where it turns."""
    turns = [
        here
        for before, here, after in zip(path, path[1:], path[2:], strict=False)
        if (here[0] - before[0], here[1] - before[1]) != (after[0] - here[0], after[1] - here[1])
    ]
    return (path[0], *turns, path[-1])


def _distance(first: PE, second: PE) -> int:
    return abs(first[0] - second[0]) + abs(first[1] - second[1])


def _trace(state: tuple[PE, int], origins: dict[tuple[PE, int], tuple[PE, int]]) -> list[PE]:
    path = [state[0]]
    while state in origins:
        state = origins[state]
        path.append(state[0])
    return path[::-1]
