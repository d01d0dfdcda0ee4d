"""A planned layout as CSL text."""

from __future__ import annotations

from collections.abc import Mapping

from waferc_runtime.csl.parse import parse
from waferc_runtime.csl.syntax import Name, ParamDecl
from waferc_runtime.host.errors import HostError
from waferc_runtime.host.layout.geometry import IntVector
from waferc_runtime.host.layout.plan import Plan
from waferc_runtime.host.layout.routing import Color, Position, Route

EMPTY = "// A PE whose router passes wavelets on; it runs nothing.\n"


def generate(
    plan: Plan,
    numbers: Mapping[str, int],
    sources: Mapping[str, str],
    files: Mapping[str, str],
    host_colors: tuple[int, int],
) -> str:
    """The layout file. `files` names the CSL files of `empty` PEs and of `stream` PEs.

    `host_colors` are those on which words come from the host and go there.

    Raises:
        WaferError: a CSL file of a region is missing, or is not CSL.
    """
    bounds = plan.bounds()
    origin = bounds.origin
    types = {region.source: _param_types(region.source, sources) for region in plan.regions}
    adaptors = {adaptor.place: adaptor for adaptor in plan.adaptors}
    lines = ["layout {", f"  @set_rectangle({bounds.width}, {bounds.height});"]
    for place in bounds.places():
        region = plan.occupied.get(place)
        params: list[str] = []
        if place in adaptors:
            adaptor = adaptors[place]
            number = numbers[plan.colors.add(adaptor.color)]
            ends = (host_colors[0], number) if adaptor.is_input else (number, host_colors[1])
            file = files["stream"]
            params = [
                f".{name} = @get_color({end})"
                for name, end in zip(("in_color", "out_color"), ends, strict=True)
            ]
        elif region is not None:
            assert region.corner is not None
            file = region.source
            local = IntVector(place.x - region.corner.x, place.y - region.corner.y)
            for name, value in region.params.get(local, {}).items():
                if isinstance(value, Color):
                    number = numbers[plan.colors.add(value)]
                    is_number = types[file].get(name) not in (None, "color")
                    text = str(number) if is_number else f"@get_color({number})"
                else:
                    text = str(value)
                params.append(f".{name} = {text}")
        else:
            file = files["empty"]
        where = f"{place.x - origin.x}, {place.y - origin.y}"
        lines.append(f'  @set_tile_code({where}, "{file}", .{{ {", ".join(params)} }});')
    for (place, name), (_, positions) in plan.routes.items():
        where = f"{place.x - origin.x}, {place.y - origin.y}"
        number = numbers[plan.colors.find(name)]
        lines.append(
            f"  @set_color_config({where}, @get_color({number}), .{{ {_config(positions)} }});"
        )
    lines.append("}")
    return "\n".join(lines) + "\n"


def _config(positions: tuple[Position, ...]) -> str:
    first = positions[0]
    text = f".routes = .{{ .rx = {_ways(first.rx)}, .tx = {_ways(first.tx)} }}"
    if len(positions) == 1:
        return text
    switches: list[str] = []
    before = first
    for index, position in enumerate(positions[1:], 1):
        sides: list[str] = []
        if position.rx != before.rx:
            sides.append(f".rx = {_one(position.rx)}")
        if position.tx != before.tx or not sides:
            sides.append(f".tx = {_one(position.tx)}")
        switches.append(f".pos{index} = .{{ {', '.join(sides)} }}")
        before = position
    return f"{text}, .switches = .{{ {', '.join(switches)} }}"


def _ways(routes: tuple[Route, ...]) -> str:
    return f".{{ {', '.join(route.name for route in routes)} }}"


def _one(routes: tuple[Route, ...]) -> str:
    if len(routes) != 1:
        names = ", ".join(route.name for route in routes)
        raise HostError(f"a switch position with the directions {names or 'none'}: one is possible")
    return routes[0].name


def _param_types(file: str, sources: Mapping[str, str]) -> dict[str, str | None]:
    """The names of the types that a file gives its params; None where it is no mere name."""
    if file not in sources:
        raise HostError(f"there is no file {file}")
    return {
        decl.name: decl.type.name if isinstance(decl.type, Name) else None
        for decl in parse(sources[file], file).declarations
        if isinstance(decl, ParamDecl)
    }
