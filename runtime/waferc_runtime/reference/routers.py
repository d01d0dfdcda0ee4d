"""All routers of the rectangle: who is next to whom, where a color leads.

PEs are numbered row by row.
"""

from __future__ import annotations

from collections.abc import Mapping

from waferc_runtime.builtins.registers import COLORS
from waferc_runtime.csl.core import EAST, NORTH, RAMP, SOUTH, SWAP_X, SWAP_Y, WEST, Routes
from waferc_runtime.reference.router import Router

DIRECTIONS = (EAST, WEST, NORTH, SOUTH)
OPPOSITE = {EAST: WEST, WEST: EAST, NORTH: SOUTH, SOUTH: NORTH}
DIRECTION_NAMES = {EAST: "east", WEST: "west", NORTH: "north", SOUTH: "south", RAMP: "ramp"}

_STEP = {EAST: (1, 0), WEST: (-1, 0), NORTH: (0, -1), SOUTH: (0, 1)}
_SWAP = {EAST: SWAP_X, WEST: SWAP_X, NORTH: SWAP_Y, SOUTH: SWAP_Y, RAMP: SWAP_X | SWAP_Y}


class UnroutedError(Exception):
    """A wavelet came where no route takes it."""

    def __init__(self, message: str, pe: int, color: int) -> None:
        super().__init__(message)
        self.message = message
        self.pe = pe
        self.color = color


class Routers:
    """The routers. `writes_registers`: the program changes configurations while it runs."""

    def __init__(
        self, width: int, height: int, routes: Mapping[int, Routes], writes_registers: bool
    ) -> None:
        self.width = width
        self.height = height
        self._routes = routes
        self._writes_registers = writes_registers
        self._static = frozenset() if writes_registers else _static_colors(routes)
        self._routers: dict[tuple[int, int], Router] = {}

    def at(self, pe: int, color: int) -> Router:
        """The router of `pe` for a color."""
        router = self._routers.get((pe, color))
        if router is None:
            y, x = divmod(pe, self.width)
            router = self._routers[pe, color] = Router(self._routes.get(color), y, x)
        return router

    def is_static(self, color: int) -> bool:
        """Whether the ways of a color are what they are for good."""
        return color in self._static or (color not in self._routes and not self._writes_registers)

    def may_change(self, pe: int, color: int) -> bool:
        """Whether what a router does not take now it may take some day."""
        if self.is_static(color):
            return False
        return self._writes_registers or self.at(pe, color).has_positions

    def neighbour(self, pe: int, direction: int) -> int | None:
        """The PE next to `pe`, or None at the edge of the rectangle."""
        dx, dy = _STEP[direction]
        x, y = pe % self.width + dx, pe // self.width + dy
        inside = 0 <= x < self.width and 0 <= y < self.height
        return y * self.width + x if inside else None

    def taken_as(self, pe: int, color: int, origin: int) -> int:
        """The color as which the router of `pe` takes what comes from `origin` on a color."""
        bits = _SWAP[origin]
        return color ^ 1 if self.at(pe, color ^ 1).swap & bits == bits else color

    # ---- where a color leads, as the switches stand ----------------------------------------------

    def source(self, pe: int, color: int) -> int | None:
        """The PE from whose ramp `color` reaches `pe`; None if the route starts nowhere."""
        seen: set[int] = set()
        while pe not in seen:
            seen.add(pe)
            rx = self.at(pe, color).rx
            if rx & RAMP:
                return pe
            ways = [d for d in DIRECTIONS if rx & d]
            before = self.neighbour(pe, ways[0]) if ways else None
            if before is None:
                return None
            pe = before
        return None

    def destinations(self, pe: int, color: int) -> list[int]:
        """The PEs to whose ramps a word of `color` from the ramp of `pe` goes.

        Raises:
            UnroutedError: it would run in a circle.
        """
        found: list[int] = []
        front = [pe]
        for _ in range(self.width * self.height + 1):
            found += [here for here in front if self.at(here, color).tx & RAMP]
            ways = [(h, d) for h in front for d in DIRECTIONS if self.at(h, color).tx & d]
            neighbours = (self.neighbour(here, direction) for here, direction in ways)
            front = [there for there in neighbours if there is not None]
            if not front:
                return sorted(found)
        raise UnroutedError("its route runs in a circle", pe, color)

    # ---- colors torn down by a wavelet and not handled yet ---------------------------------------

    def pending(self, pe: int) -> int:
        """A bit for each color that is pending on `pe`."""
        return sum(self.at(pe, color).is_pending << color for color in range(COLORS))

    def set_pending(self, pe: int, half: int, value: int) -> None:
        """Set the bits of colors from `16 * half` on."""
        for color in range(16 * half, min(COLORS, 16 * half + 16)):
            self.at(pe, color).is_pending = bool(value >> (color - 16 * half) & 1)


def _static_colors(routes: Mapping[int, Routes]) -> frozenset[int]:
    swapped = {color for color, route in routes.items() if route.swap is not None}
    return frozenset(
        color
        for color, route in routes.items()
        if route.switches is None
        and route.filters is None
        and route.teardown is None
        and not {color, color ^ 1} & swapped
    )
