"""A layout with everything on its place: PEs with code and params, routes, ways, streams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from waferc_runtime.host.errors import HostError
from waferc_runtime.host.layout.geometry import IntRectangle, IntVector, rectangle
from waferc_runtime.host.layout.numbers import Colors
from waferc_runtime.host.layout.paths import Hop, find_path, step
from waferc_runtime.host.layout.region import CodeRegion, PortHandle
from waferc_runtime.host.layout.routing import OPPOSITE, STEPS, Color, Position, Route

# What a way over a router costs: PEs with code of the user are gone around if that is not far.
_FREE, _OCCUPIED = 1, 4
_FARTHEST_STREAM = 12  # PEs between a port and the PE that talks to the host


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """A port that the host talks to, perhaps through a PE at a place that the user chose."""

    port: PortHandle
    name: str
    place: IntVector | None


@dataclass(frozen=True, slots=True)
class Adaptor:
    """The PE that passes words on between the host and a port."""

    name: str
    place: IntVector
    color: Color
    is_input: bool


@dataclass(frozen=True, slots=True)
class DirectStream:
    """A color on which the host talks to a PE of a region without any router between."""

    name: str
    place: IntVector
    color: Color
    is_input: bool


@dataclass(slots=True)
class Plan:
    """Routes by PE and class of colors. All places are those of the fabric."""

    regions: Sequence[CodeRegion]
    colors: Colors = field(default_factory=Colors)
    routes: dict[tuple[IntVector, str], tuple[Color, tuple[Position, ...]]] = field(
        default_factory=lambda: {}
    )
    adaptors: list[Adaptor] = field(default_factory=lambda: [])
    occupied: dict[IntVector, CodeRegion | None] = field(default_factory=lambda: {})

    def bounds(self) -> IntRectangle:
        """The smallest rectangle with all PEs that have code or routes."""
        return _around([*self.occupied, *(place for place, _ in self.routes)], 0)


def plan(
    regions: Sequence[CodeRegion],
    connections: Sequence[tuple[PortHandle, PortHandle]],
    requests: Sequence[StreamRequest],
    direct: Sequence[DirectStream] = (),
) -> Plan:
    """Put everything on its place and find the ways between ports.

    Raises:
        HostError: regions overlap, routes contradict one another, or there is no way.
    """
    made = Plan(regions)
    _place(regions)
    for region in regions:
        for place in region.extent.places():
            made.occupied[_global(region, place)] = region
    for sender, receiver in connections:
        made.colors.join(sender.color, receiver.color)
    for region in regions:
        _use_colors(made, region)
    for port in (port for pair in connections for port in pair):
        _route_port(made, port)
    for request in requests:
        _route_port(made, request.port)
    for request in requests:
        if request.place is not None:
            _reserve(made, request.place, request.name)
    chosen = [request.place for request in requests if request.place is not None]
    margin = 2 + len(requests) + len(connections)
    bounds = _around([*made.occupied, *chosen], min(margin, _FARTHEST_STREAM))
    for sender, receiver in connections:
        _connect(made, sender, receiver, bounds)
    for request in requests:
        _attach(made, request, bounds)
    for stream in direct:
        _reach(made, stream)
    return made


def _reach(made: Plan, stream: DirectStream) -> None:
    """Let a color meet all others, as a color of the host has no routes anywhere."""
    if made.occupied.get(stream.place) is None:
        raise HostError(
            f"stream {stream.name}: there is no code on PE ({stream.place.x}, {stream.place.y})"
        )
    name = made.colors.add(stream.color)
    for place, routed in [*made.routes]:
        if routed == name:
            raise HostError(
                f"stream {stream.name}: its color has routes on PE ({place.x}, {place.y})",
                help="give a stream of its own color to a PE, or make a port",
            )
    for place in [*made.occupied, *(place for place, _ in made.routes)]:
        made.colors.use(stream.color, place)


def _around(places: Iterable[IntVector], margin: int) -> IntRectangle:
    known = list(places)
    left, top = min(p.x for p in known), min(p.y for p in known)
    right, bottom = max(p.x for p in known), max(p.y for p in known)
    width, height = right - left + 1 + 2 * margin, bottom - top + 1 + 2 * margin
    return rectangle(left - margin, top - margin, width, height)


def _place(regions: Sequence[CodeRegion]) -> None:
    """Regions without a place go east of all others; those that have one must not overlap."""
    for region in regions:
        if region.corner is None:
            placed = [(o.corner, o.width) for o in regions if o.corner is not None]
            region.place(max((corner.x + width for corner, width in placed), default=0), 0)
    for index, region in enumerate(regions):
        for other in regions[index + 1 :]:
            if _extent(region).overlaps(_extent(other)):
                raise HostError(f"the code regions {region.name} and {other.name} overlap")


def _extent(region: CodeRegion) -> IntRectangle:
    assert region.corner is not None
    return rectangle(region.corner.x, region.corner.y, region.width, region.height)


def _global(region: CodeRegion, place: IntVector) -> IntVector:
    assert region.corner is not None
    return IntVector(region.corner.x + place.x, region.corner.y + place.y)


def _use_colors(made: Plan, region: CodeRegion) -> None:
    for place, params in region.params.items():
        for value in params.values():
            if isinstance(value, Color):
                made.colors.use(value, _global(region, place))
    for place, paints in region.paints.items():
        for color, positions in paints.values():
            _route(made, _global(region, place), color, positions)


def _route(made: Plan, place: IntVector, color: Color, positions: tuple[Position, ...]) -> None:
    """Set the routes of a color on a PE; a port's take the place of painted ones."""
    made.colors.use(color, place, switched=len(positions) > 1)
    key = place, made.colors.add(color)
    before = made.routes.get(key)
    if before is not None and before[0].get_global_name() != color.get_global_name():
        raise HostError(
            f"the colors {before[0].get_global_name()} and {color.get_global_name()} are "
            f"connected, and both have routes on PE ({place.x}, {place.y})"
        )
    made.routes[key] = color, positions


def _route_port(made: Plan, port: PortHandle) -> None:
    outer = (port.outward,)
    for place in port.places:
        positions = tuple(
            Position(outer, position.tx) if port.is_input else Position(position.rx, outer)
            for position in port.positions
        )
        _route(made, _global(port.region, place), port.color, positions)


def _reserve(made: Plan, place: IntVector, name: str) -> None:
    if place in made.occupied:
        raise HostError(f"the PE ({place.x}, {place.y}) of the stream {name} has code already")
    made.occupied[place] = None


def _way(
    made: Plan,
    color: Color,
    source: tuple[IntVector, Route],
    target: tuple[IntVector, Route],
    bounds: IntRectangle,
) -> list[Hop] | None:
    used = made.colors.places(color)

    def cost(place: IntVector) -> int | None:
        if place in used:
            return None
        return _OCCUPIED if place in made.occupied else _FREE

    return find_path(*source, *target, bounds, cost)


def _lay(made: Plan, color: Color, hops: Iterable[Hop]) -> None:
    for hop in hops:
        _route(made, hop.place, color, (Position((hop.rx,), (hop.tx,)),))


def _connect(made: Plan, sender: PortHandle, receiver: PortHandle, bounds: IntRectangle) -> None:
    for source, target in zip(sender.places, receiver.places, strict=True):
        begin, end = _global(sender.region, source), _global(receiver.region, target)
        hops = _way(made, sender.color, (begin, sender.outward), (end, receiver.outward), bounds)
        if hops is None:
            raise HostError(
                f"there is no way from port {sender.name} on PE ({begin.x}, {begin.y}) to port "
                f"{receiver.name} on PE ({end.x}, {end.y})",
                help="place the regions farther apart",
            )
        _lay(made, sender.color, hops)


def _attach(made: Plan, request: StreamRequest, bounds: IntRectangle) -> None:
    """Find a PE for the host's end of a stream, and the way between it and the port."""
    port = request.port
    end = _global(port.region, port.places[0])
    if request.place is not None:
        candidates = [request.place]
    else:
        candidates = sorted(
            (p for p in bounds.places() if p not in made.occupied),
            key=lambda p: (abs(p.x - end.x) + abs(p.y - end.y), p != step(end, port.outward)),
        )
    for place in candidates:
        if place in made.colors.places(port.color):
            continue
        for way in (OPPOSITE[port.outward], *STEPS):
            here, there = (place, way), (end, port.outward)
            hops = _way(
                made,
                port.color,
                here if port.is_input else there,
                there if port.is_input else here,
                bounds,
            )
            if hops is None:
                continue
            _lay(made, port.color, hops)
            ends = (
                Position((Route.RAMP,), (way,))
                if port.is_input
                else Position((way,), (Route.RAMP,))
            )
            _route(made, place, port.color, (ends,))
            made.occupied[place] = None
            made.adaptors.append(Adaptor(request.name, place, port.color, port.is_input))
            return
    raise HostError(f"there is no free PE in reach of port {port.name} for its stream")
