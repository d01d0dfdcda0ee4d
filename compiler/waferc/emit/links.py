"""The links of a region's PEs: which colors they use for what, and which queues serve them."""

from __future__ import annotations

from collections.abc import Iterable

from waferc.emit.diagnostics import EmitError
from waferc.emit.kernels.context import Arrivals
from waferc.emit.line_links import LINK_ROLES, line_colors, link_color
from waferc.emit.names import identifier
from waferc.emit.pe_program import (
    DsdOperation,
    Fabric,
    Link,
    LoadRegister,
    MapOperation,
    Operand,
    PeFunction,
    Port,
    simple_statements,
)
from waferc_ir.types import AXES, Axis, Region

# Queue ids that every machine leaves to programs (reference: memcpy takes input 0, on wse3 also
# input 1, and output 0). On wse2 an output queue serves the color of the descriptor, so that two
# links may share one where sends do not overlap.
INPUT_QUEUES = (2, 3, 4, 5, 6, 7)
OUTPUT_QUEUES_WSE3 = (2, 3, 4, 5, 6, 7, 1)
OUTPUT_QUEUES_WSE2 = (2, 3, 4, 5)


def used_ports(functions: Iterable[PeFunction]) -> tuple[Port, ...]:
    """The ports that functions use, in order of first use."""
    found: dict[Port, None] = {}
    for function in functions:
        for statement in simple_statements(function.body):
            operands: tuple[Operand, ...] = ()
            match statement:
                case DsdOperation(dest=dest, sources=sources):
                    operands = (dest, *sources)
                case MapOperation(inputs=inputs, output=output):
                    operands = (*inputs, output)
                case LoadRegister(value=value):
                    operands = (value,)
                case _:
                    pass
            found |= {one.port: None for one in operands if isinstance(one, Fabric)}
    return tuple(found)


def used_registers(functions: Iterable[PeFunction]) -> tuple[str, ...]:
    """The registers that functions load, by name."""
    loads = {
        statement.name
        for function in functions
        for statement in simple_statements(function.body)
        if isinstance(statement, LoadRegister)
    }
    return tuple(sorted(loads))


def used_axes(ports: Iterable[Port]) -> tuple[Axis, ...]:
    """The axes along which collectives are used."""
    names = {port.name for port in ports}
    return tuple(axis for axis in AXES if names & {f"{axis}_{role}" for role in LINK_ROLES})


def color_params(region: Region, ports: Iterable[Port], arrivals: Arrivals) -> tuple[str, ...]:
    """Names of the color parameters of a region's PE file, in a fixed order."""
    ports = tuple(ports)
    names = [name for axis in used_axes(ports) for name in line_colors(axis, region.line(axis))]
    links = {port.name for port in ports}
    if "arrival" in links:
        assert arrivals.primary is not None
        names.append(f"from_{identifier(arrivals.primary)}")
    names += sorted(link for link in links if link.startswith("from_"))
    passes_x = "arrival" in links and region.width > 1
    descends = arrivals.shares_pass_y and "arrival" in links and region.height > 1
    names += ["pass_x"] if passes_x else []
    names += ["pass_y"] if descends or "pass_y" in links else []
    names += sorted(link for link in links if link.startswith("to_"))
    return tuple(names)


def region_links(region: Region, ports: tuple[Port, ...], arrivals: Arrivals) -> tuple[Link, ...]:
    """Every link of a region with its color as CSL text and its queues.

    Raises:
        EmitError: there are more links than queues.
    """
    inputs = sorted({port.name for port in ports if port.direction == "in"}, key=_order)
    outputs = sorted({port.name for port in ports if port.direction == "out"}, key=_order)
    for names, ids, word in (
        (inputs, INPUT_QUEUES, "input"),
        (outputs, OUTPUT_QUEUES_WSE3, "output"),
    ):
        if len(names) > len(ids):
            raise EmitError(
                f"region @{region.name} needs {len(names)} {word} queues and has {len(ids)}",
                notes=[f"for {', '.join(names)}"],
                help="use fewer regions, so that fewer streams meet in one",
            )
    links: list[Link] = []
    for name in sorted({*inputs, *outputs}, key=_order):
        out = outputs.index(name) if name in outputs else None
        links.append(
            Link(
                name,
                _color(name, region, arrivals),
                INPUT_QUEUES[inputs.index(name)] if name in inputs else None,
                None if out is None else OUTPUT_QUEUES_WSE3[out],
                None if out is None else OUTPUT_QUEUES_WSE2[out % len(OUTPUT_QUEUES_WSE2)],
            )
        )
    return tuple(links)


def _order(name: str) -> tuple[int, str]:
    """Collectives along x, along y, then streams."""
    fixed = [f"{axis}_{role}" for axis in AXES for role in LINK_ROLES]
    fixed += ["arrival", "pass_x", "pass_y"]
    return (fixed.index(name) if name in fixed else len(fixed), name)


def _color(name: str, region: Region, arrivals: Arrivals) -> str:
    axis, _, role = name.partition("_")
    if axis in ("x", "y"):
        return link_color(axis, region.line(axis), role)
    if name != "arrival":
        return name
    assert arrivals.primary is not None
    route = f"from_{identifier(arrivals.primary)}"
    if arrivals.shares_pass_y and region.height > 1:
        route = f"(if (y_first) {route} else pass_y)"
    return f"if (x_first) {route} else pass_x" if region.width > 1 else route.strip("()")
