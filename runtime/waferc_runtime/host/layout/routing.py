"""Colors, edges and routing positions of SdkLayout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Self

from waferc_runtime.host.errors import HostError

MOST_POSITIONS = 4


class Edge(IntEnum):
    """An edge of a rectangle of PEs."""

    TOP = 0
    BOTTOM = 1
    LEFT = 2
    RIGHT = 3


class Route(IntEnum):
    """A direction of a router."""

    RAMP = 0
    EAST = 1
    WEST = 2
    NORTH = 3
    SOUTH = 4


STEPS: Mapping[Route, tuple[int, int]] = MappingProxyType(
    {Route.EAST: (1, 0), Route.WEST: (-1, 0), Route.NORTH: (0, -1), Route.SOUTH: (0, 1)}
)
OPPOSITE: Mapping[Route, Route] = MappingProxyType(
    {
        Route.EAST: Route.WEST,
        Route.WEST: Route.EAST,
        Route.NORTH: Route.SOUTH,
        Route.SOUTH: Route.NORTH,
    }
)
OUTWARD: Mapping[Edge, Route] = MappingProxyType(
    {
        Edge.TOP: Route.NORTH,
        Edge.BOTTOM: Route.SOUTH,
        Edge.LEFT: Route.WEST,
        Edge.RIGHT: Route.EAST,
    }
)


class Color:
    """A color by name; its number is chosen when the layout is compiled, unless it is given.

    Two colors of one global name are one color.
    """

    def __init__(self, name: str, value: int | None = None, region: str | None = None) -> None:
        if not name.isidentifier():
            raise HostError(f"{name!r} is no name of a color")
        self.name = name
        self.value = value
        self.region = region

    def get_global_name(self) -> str:
        """The name among all colors of the layout."""
        return self.name if self.region is None else f"{self.region}_{self.name}"

    def get_local_param_name(self) -> str:
        """The name of the CSL param that the color is given to."""
        return self.name

    def get_value(self) -> int | None:
        """The number that was given, or that `compile` chose."""
        return self.value


class RoutingPosition:
    """From where to where a router sends the wavelets of a color, in one position of its switch."""

    def __init__(self) -> None:
        self._input: list[Route] = []
        self._output: list[Route] = []

    def set_input(self, routes: Iterable[Route]) -> Self:
        """Take wavelets from these directions."""
        self._input = _directions(routes)
        return self

    def set_output(self, routes: Iterable[Route]) -> Self:
        """Send wavelets in these directions."""
        self._output = _directions(routes)
        return self

    def add_input(self, route: Route) -> Self:
        """Take wavelets from this direction too."""
        return self.set_input([*self._input, route])

    def add_output(self, route: Route) -> Self:
        """Send wavelets in this direction too."""
        return self.set_output([*self._output, route])

    def get_input(self) -> list[Route]:
        """The directions that wavelets are taken from."""
        return list(self._input)

    def get_output(self) -> list[Route]:
        """The directions that wavelets are sent in."""
        return list(self._output)


def _directions(routes: Iterable[Route]) -> list[Route]:
    try:
        return list(dict.fromkeys(Route(route) for route in routes))
    except (TypeError, ValueError):
        raise HostError(f"{routes!r} is no list of Route") from None


@dataclass(frozen=True, slots=True)
class Position:
    """A routing position that nothing is added to any more."""

    rx: tuple[Route, ...]
    tx: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class EdgeRouteInfo:
    """Positions for the PEs of one edge of a rectangle."""

    edge: Edge
    positions: tuple[Position, ...]


def get_edge_routing(edge: Edge, routes: Sequence[RoutingPosition]) -> EdgeRouteInfo:
    """Positions that `paint_all` uses for the PEs of an edge instead."""
    return EdgeRouteInfo(Edge(edge), positions_of(routes))


def positions_of(routes: Sequence[RoutingPosition]) -> tuple[Position, ...]:
    """The positions of a switch, as they are now.

    Raises:
        HostError: there are none, or more than a switch has.
    """
    if not 1 <= len(routes) <= MOST_POSITIONS:
        raise HostError(f"{len(routes)} routing positions: a router has 1 to {MOST_POSITIONS}")
    return tuple(Position(tuple(route.get_input()), tuple(route.get_output())) for route in routes)
