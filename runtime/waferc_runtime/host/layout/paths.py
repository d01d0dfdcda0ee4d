"""Ways for wavelets from one PE to another over routers that do not route their color yet."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

from waferc_runtime.host.layout.geometry import IntRectangle, IntVector
from waferc_runtime.host.layout.routing import OPPOSITE, STEPS, Route


@dataclass(frozen=True, slots=True)
class Hop:
    """A router between the two ends: where wavelets come from and where they go."""

    place: IntVector
    rx: Route
    tx: Route


def step(place: IntVector, way: Route) -> IntVector:
    """The neighbour in a direction."""
    dx, dy = STEPS[way]
    return IntVector(place.x + dx, place.y + dy)


def find_path(
    source: IntVector,
    leaving: Route,
    target: IntVector,
    entering: Route,
    bounds: IntRectangle,
    cost: Callable[[IntVector], int | None],
) -> list[Hop] | None:
    """The cheapest way from `source`, left in a direction, to `target`, entered from a direction.

    `cost` is what a router on the way costs; None: it cannot be used. Routers outside `bounds`
    cannot be used either. Returns the routers between the ends, or None if there is no way.
    """
    first, last = step(source, leaving), step(target, entering)
    if first == target:
        return [] if last == source else None

    def usable(place: IntVector) -> int | None:
        inside = (
            bounds.origin.x <= place.x < bounds.corner.x
            and bounds.origin.y <= place.y < bounds.corner.y
        )
        return cost(place) if inside and place not in (source, target) else None

    start = usable(first)
    if start is None or usable(last) is None:
        return None
    came: dict[IntVector, Route | None] = {first: None}
    best = {first: start}
    queue = [(start, first.y, first.x)]
    while queue:
        spent, y, x = heapq.heappop(queue)
        place = IntVector(x, y)
        if place == last:
            return _hops(place, came, leaving, entering)
        if spent > best[place]:
            continue
        for way in STEPS:
            after = step(place, way)
            extra = usable(after)
            if extra is not None and spent + extra < best.get(after, spent + extra + 1):
                best[after] = spent + extra
                came[after] = way
                heapq.heappush(queue, (best[after], after.y, after.x))
    return None


def _hops(
    last: IntVector, came: dict[IntVector, Route | None], leaving: Route, entering: Route
) -> list[Hop]:
    hops: list[Hop] = []
    place, out = last, OPPOSITE[entering]
    while True:
        way = came[place]
        rx = OPPOSITE[leaving if way is None else way]
        hops.append(Hop(place, rx, out))
        if way is None:
            return hops[::-1]
        place, out = step(place, OPPOSITE[way]), way
