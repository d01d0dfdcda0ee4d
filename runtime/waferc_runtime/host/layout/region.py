"""Code regions: rectangles of PEs that run one CSL file, their params, routes and ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.host.elements import whole
from waferc_runtime.host.errors import HostError
from waferc_runtime.host.layout.geometry import IntRectangle, IntVector, rectangle, vector
from waferc_runtime.host.layout.routing import (
    OUTWARD,
    Color,
    Edge,
    EdgeRouteInfo,
    Position,
    Route,
    RoutingPosition,
    positions_of,
)

Array = NDArray[Any]
_SYMBOL_TYPES = ("int32", "uint32", "float32", "int16", "uint16", "float16")


@dataclass(frozen=True, slots=True, eq=False)
class PortHandle:
    """Where a color enters or leaves a region: `places` in the region, along its edge.

    `positions` lack the outer side: the input of an input port, the output of an output port.
    """

    region: CodeRegion
    color: Color
    edge: Edge
    is_input: bool
    positions: tuple[Position, ...]
    size: int
    name: str

    @property
    def places(self) -> tuple[IntVector, ...]:
        """Its PEs in the region, from west to east or from north to south."""
        return tuple(self.region.edge(self.edge).places())

    @property
    def outward(self) -> Route:
        """The direction from its PEs out of the region."""
        return OUTWARD[self.edge]


class CodeRegion:
    """A rectangle of PEs that run `source`. Coordinates of its methods begin at its corner."""

    def __init__(self, source: str, name: str, width: int, height: int) -> None:
        if not 0 < width <= 2_000 or not 0 < height <= 2_000:
            raise HostError(f"the code region {name} of {width} x {height} PEs")
        self.source = source
        self.name = name
        self.width = width
        self.height = height
        self.corner: IntVector | None = None
        self.params: dict[IntVector, dict[str, int | Color]] = {}
        self.paints: dict[IntVector, dict[str, tuple[Color, tuple[Position, ...]]]] = {}
        self.symbols: dict[str, Array] = {}  # [h, w, words of 16 bits]
        self.ports: list[PortHandle] = []

    @property
    def extent(self) -> IntRectangle:
        """All its PEs."""
        return rectangle(0, 0, self.width, self.height)

    def edge(self, edge: Edge) -> IntRectangle:
        """The PEs along an edge."""
        match edge:
            case Edge.TOP:
                return rectangle(0, 0, self.width, 1)
            case Edge.BOTTOM:
                return rectangle(0, self.height - 1, self.width, 1)
            case Edge.LEFT:
                return rectangle(0, 0, 1, self.height)
            case Edge.RIGHT:
                return rectangle(self.width - 1, 0, 1, self.height)

    def place(self, x: int, y: int) -> None:
        """Put the north-west PE of the region on PE (x, y) of the fabric."""
        self.corner = IntVector(x, y)

    def color(self, name: str, value: int | None = None) -> Color:
        """A color whose name is the region's own."""
        return Color(name, value, self.name)

    # ---- params ----------------------------------------------------------------------------------

    def set_param_all(self, name: str | Color, value: int | Color | None = None) -> None:
        """Give a param to all PEs; a color alone goes to the param of its name."""
        self._set_params(self.extent, name, value)

    def set_param_range(
        self, rect: IntRectangle, name: str | Color, value: int | Color | None = None
    ) -> None:
        """Give a param to the PEs of a rectangle."""
        self._set_params(rect, name, value)

    def set_param(
        self, coord: IntVector, name: str | Color, value: int | Color | None = None
    ) -> None:
        """Give a param to one PE."""
        x, y = vector(coord)
        self._set_params(rectangle(x, y, 1, 1), name, value)

    def _set_params(self, rect: IntRectangle, name: str | Color, value: int | Color | None) -> None:
        if isinstance(name, Color):
            name, value = name.get_local_param_name(), name
        given = value if isinstance(value, Color) else whole(value)
        if given is None or not name.isidentifier():
            raise HostError(
                f"the param {name} of {self.name} is given {value!r}, no number or color"
            )
        for place in self._inside(rect):
            self.params.setdefault(place, {})[name] = given

    # ---- routes ----------------------------------------------------------------------------------

    def paint_all(
        self,
        color: Color,
        routes: Sequence[RoutingPosition],
        edge_routes: Sequence[EdgeRouteInfo] = (),
    ) -> None:
        """Route a color on all PEs, on those of the given edges differently."""
        self._paint(self.extent, color, positions_of(routes))
        for info in edge_routes:
            self._paint(self.edge(info.edge), color, info.positions)

    def paint_range(
        self, rect: IntRectangle, color: Color, routes: Sequence[RoutingPosition]
    ) -> None:
        """Route a color on the PEs of a rectangle."""
        self._paint(rect, color, positions_of(routes))

    def paint(self, coord: IntVector, color: Color, routes: Sequence[RoutingPosition]) -> None:
        """Route a color on one PE."""
        x, y = vector(coord)
        self._paint(rectangle(x, y, 1, 1), color, positions_of(routes))

    def _paint(self, rect: IntRectangle, color: Color, positions: tuple[Position, ...]) -> None:
        for place in self._inside(rect):
            self.paints.setdefault(place, {})[color.get_global_name()] = color, positions

    # ---- ports -----------------------------------------------------------------------------------

    def create_input_port(
        self,
        color: Color,
        edge: Edge,
        routes: Sequence[RoutingPosition],
        data_size: int,
        prefix: str = "",
    ) -> PortHandle:
        """Let a color in at an edge; `routes` give outputs only."""
        return self._port(color, edge, routes, data_size, prefix, True)

    def create_output_port(
        self,
        color: Color,
        edge: Edge,
        routes: Sequence[RoutingPosition],
        data_size: int,
        prefix: str = "",
    ) -> PortHandle:
        """Let a color out at an edge; `routes` give inputs only."""
        return self._port(color, edge, routes, data_size, prefix, False)

    def _port(
        self,
        color: Color,
        edge: Edge,
        routes: Sequence[RoutingPosition],
        size: int,
        prefix: str,
        is_input: bool,
    ) -> PortHandle:
        positions = positions_of(routes)
        name = f"{prefix}{self.name}_{color.get_local_param_name()}"
        what = "input" if is_input else "output"
        if any(port.name == name for port in self.ports):
            raise HostError(f"the region has a port {name} already", help="give it a prefix")
        for position in positions:
            outer, inner = (position.rx, position.tx) if is_input else (position.tx, position.rx)
            if outer or not inner:
                raise HostError(
                    f"{what} port {name}: its routes give {what}s",
                    help="give outputs of an input port, inputs of an output port",
                )
        port = PortHandle(self, color, Edge(edge), is_input, positions, size, name)
        self.ports.append(port)
        return port

    # ---- data ------------------------------------------------------------------------------------

    def set_symbol_all(self, symbol: str, data: Array, width: int, height: int) -> None:
        """Spread `data` [height, width] over the region as what a variable holds at first.

        Each PE gets a block of [height / region's height, width / region's width], row by row.
        """
        array = np.asarray(data)
        if array.dtype.name not in _SYMBOL_TYPES or array.size != width * height:
            raise HostError(
                f"{symbol}: {array.size:,} elements of {array.dtype} for {width} x {height}",
                help=f"types: {', '.join(_SYMBOL_TYPES)}",
            )
        if width % self.width or height % self.height:
            raise HostError(
                f"{symbol}: {width} x {height} elements do not spread evenly over "
                f"{self.width} x {self.height} PEs"
            )
        rows, columns = height // self.height, width // self.width
        blocks = array.reshape(self.height, rows, self.width, columns).transpose(0, 2, 1, 3)
        blocks = np.ascontiguousarray(blocks).reshape(self.height, self.width, rows * columns)
        self.symbols[symbol] = blocks.view(np.uint16)

    def _inside(self, rect: IntRectangle) -> list[IntVector]:
        if (
            rect.origin.x < 0
            or rect.origin.y < 0
            or rect.corner.x > self.width
            or rect.corner.y > self.height
        ):
            raise HostError(
                f"{rect} is not inside the region {self.name} of {self.width} x {self.height} PEs"
            )
        return list(rect.places())
