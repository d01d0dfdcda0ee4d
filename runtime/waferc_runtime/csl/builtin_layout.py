"""Builtins of the layout block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import syntax
from waferc_runtime.csl.color_config import check_switchable, color_config
from waferc_runtime.csl.context import Program
from waferc_runtime.csl.core import Handle, Scalar
from waferc_runtime.csl.diagnostics import CslError
from waferc_runtime.csl.evaluator import Evaluator, arguments, builtin
from waferc_runtime.csl.placement import (
    ColorConfig,
    Coordinates,
    LayoutUse,
    Placement,
    TileCode,
)
from waferc_runtime.csl.types import FunctionType, Meta, PointerType, is_integer, type_name
from waferc_runtime.csl.values import (
    MAX_LANE_INT,
    Known,
    Number,
    StructValue,
    Value,
    Void,
    take,
    type_of,
)


def _layout(ev: Evaluator, node: syntax.BuiltinCall) -> LayoutUse:
    if ev.context.layout is None or not ev.is_setup:
        raise CslError(f"{node.name} belongs into the layout block", node.at)
    return ev.context.layout


@builtin("@set_rectangle")
def _set_rectangle(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    layout = _layout(ev, node)
    width, height = (ev.integer(argument) for argument in arguments(node, 2))
    if layout.rectangle is not None:
        raise CslError(
            "the rectangle is set twice", node.at, notes=[f"first on line {layout.rectangle.line}"]
        )
    machine = ev.context.program.machine
    if not (0 < width <= machine.program_width and 0 < height <= machine.program_height):
        raise CslError(
            f"a rectangle of {width} x {height} PEs does not fit {machine.name}",
            node.at,
            notes=[f"it has {machine.program_width} x {machine.program_height} PEs for programs"],
        )
    layout.rectangle = node.at
    layout.placement = Placement(width, height)
    ev.context.program.width, ev.context.program.height = width, height
    return Void()


def _coordinates(
    ev: Evaluator, x: syntax.Expr, y: syntax.Expr, node: syntax.BuiltinCall
) -> tuple[Coordinates, Coordinates, NDArray[np.intp]]:
    """X and y of the PEs meant, and which iterations of a loop run at once they are of."""
    layout = _layout(ev, node)
    if layout.rectangle is None:
        raise CslError(f"{node.name} before @set_rectangle", node.at)
    lanes = (ev.context.pes,)
    columns = np.broadcast_to(np.asarray(_coordinate(ev, x), np.intp), lanes)
    rows = np.broadcast_to(np.asarray(_coordinate(ev, y), np.intp), lanes)
    here = np.arange(ev.context.pes) if ev.active is None else np.flatnonzero(ev.active)
    columns, rows = columns[here], rows[here]
    program = ev.context.program
    outside = (columns < 0) | (columns >= program.width) | (rows < 0) | (rows >= program.height)
    if outside.any():
        pe = int(np.argmax(outside))
        raise CslError(
            f"PE ({columns[pe]}, {rows[pe]}) lies outside of the rectangle of"
            f" {program.width} x {program.height} PEs",
            node.at,
        )
    return columns, rows, here


def _coordinate(ev: Evaluator, node: syntax.Expr) -> Number:
    value = ev.value(node)
    is_number = is_integer(type_of(value)) or type_of(value) is Meta.COMPTIME_INT
    if not is_number or not isinstance(value, Known):
        raise CslError(f"an integer is expected, not {ev.name_of(value)}", node.at)
    if isinstance(value.data, int) and abs(value.data) >= MAX_LANE_INT:
        raise CslError("no PE has a coordinate as large as that", node.at)
    return value.data


@builtin("@set_tile_code")
def _set_tile_code(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    x, y, *rest = arguments(node, 2, 4)
    layout = _layout(ev, node)
    columns, rows, here = _coordinates(ev, x, y, node)
    importer = ev.instance.file
    program = ev.context.program
    path = program.find(ev.text(rest[0]), importer, rest[0].at) if rest else importer
    program.file(path, rest[0].at if rest else node.at)
    params = ev.value(rest[1]) if len(rest) == 2 else StructValue({})
    if not isinstance(params, StructValue):
        raise CslError(f"a struct of params is expected, not {ev.name_of(params)}", rest[1].at)
    params = take(params, here)
    assert isinstance(params, StructValue)
    layout.add_code(TileCode(path, params, columns, rows, node.at))
    return Void()


@builtin("@set_color_config")
def _set_color_config(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    x, y, color, given = arguments(node, 4)
    layout = _layout(ev, node)
    columns, rows, here = _coordinates(ev, x, y, node)
    value = _color(ev, color)
    config = color_config(ev, given).part(here)
    program = ev.context.program
    if not isinstance(value.data, np.ndarray):
        check_color(program, int(value.data), config, color.at)
        layout.add_color(int(value.data), config, columns, rows)
        return Void()
    numbers = value.data[here]
    for number in np.unique(numbers):
        pes = np.flatnonzero(numbers == number)
        check_color(program, int(number), config, color.at)
        layout.add_color(int(number), config.part(pes), columns[pes], rows[pes])
    return Void()


@builtin("@set_local_color_config")
def _set_local_color_config(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    color, given = arguments(node, 2)
    if ev.context.is_layout or not ev.is_setup:
        raise CslError(f"{node.name} belongs into a comptime block of a PE", node.at)
    ev.require_all()
    value = _color(ev, color)
    ev.context.colors.append((value.data, color_config(ev, given)))
    return Void()


def _color(ev: Evaluator, node: syntax.Expr) -> Known:
    value = ev.known(node)
    if not isinstance(value, Known) or value.type is not Handle.COLOR:
        raise CslError(f"a color is expected, not {ev.name_of(value)}", node.at)
    return value


def check_color(program: Program, color: int, config: ColorConfig, at: Location) -> None:
    """Refuse to configure a color of memcpy, or one in a way that it does not have."""
    reserved = program.machine.reserved_colors
    if color in reserved:
        raise CslError(
            f"color {color} belongs to memcpy",
            at,
            notes=[f"it takes {', '.join(map(str, reserved))}"],
        )
    check_switchable(program.machine.arch, color, config)


@builtin("@export_name")
def _export_name(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    name_node, type_node, *rest = arguments(node, 2, 3)
    layout = _layout(ev, node)
    name, type = ev.text(name_node), ev.type(type_node)
    if rest:
        ev.uniform(ev.truth(ev.known(rest[0]), rest[0].at))
    if not isinstance(type, (PointerType, FunctionType, Scalar)):
        raise CslError(
            f"a {type_name(type)} cannot be exported",
            type_node.at,
            help="export a pointer, a scalar or a function",
        )
    if name in layout.exports:
        raise CslError(
            f"the name {name!r} is exported twice",
            node.at,
            notes=[f"first on line {layout.exports[name][1].line}"],
        )
    layout.exports[name] = (type, node.at)
    return Void()


@builtin("@get_rectangle")
def _get_rectangle(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    arguments(node, 0)
    program, machine = ev.context.program, ev.context.program.machine
    if not program.width:
        raise CslError("@get_rectangle before @set_rectangle", node.at)

    def size(width: int, height: int) -> dict[str, Value]:
        return {"width": Known(Scalar.U16, width), "height": Known(Scalar.U16, height)}

    fabric = StructValue(size(machine.fabric_width, machine.fabric_height))
    offsets = StructValue(size(0, 0))
    return StructValue(size(program.width, program.height) | {"fabric": fabric, "offsets": offsets})
