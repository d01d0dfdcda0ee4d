"""No wait without a sender, no sender without a receiver, one color per queue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import Location, WaferError
from waferc_ir.machine import Machine
from waferc_runtime.check.endpoints import Endpoint, endpoints
from waferc_runtime.check.problems import CheckError, Grid, count_note, first_pe, name_pe
from waferc_runtime.check.routes import trace_sources
from waferc_runtime.csl.core import RAMP, Elaborated, PEClass


@dataclass(frozen=True, slots=True, eq=False)
class _Use:
    """An endpoint on the PEs of its class."""

    pe_class: PEClass
    endpoint: Endpoint

    def grid(self, shape: tuple[int, int], chosen: NDArray[np.bool_]) -> Grid:
        """The PEs `chosen` [pe of the class] on the grid."""
        where = np.zeros(shape, np.bool_)
        where[self.pe_class.y[chosen], self.pe_class.x[chosen]] = True
        return where

    def on(self, shape: tuple[int, int], color: int) -> Grid:
        """The PEs that use `color` here."""
        return self.grid(shape, self.endpoint.mask & (self.endpoint.color == color))

    @property
    def colors(self) -> set[int]:
        return {int(c) for c in np.unique(self.endpoint.color[self.endpoint.mask])}


def check_pairing(program: Elaborated, machine: Machine) -> list[WaferError]:
    """All faults between senders, routes and receivers."""
    uses = [
        _Use(pe_class, endpoint)
        for pe_class in program.classes
        for endpoint in endpoints(pe_class, program.arch)
    ]
    return [*_nameless(program, uses), *_partners(program, uses), *_queues(program, machine, uses)]


def _nameless(program: Elaborated, uses: list[_Use]) -> Iterator[WaferError]:
    shape = program.height, program.width
    for use in uses:
        where = use.grid(shape, use.endpoint.mask & (use.endpoint.color < 0))
        if where.any():
            kind = "fabin" if use.endpoint.is_input else "fabout"
            yield _problem(
                f"{{pe}} uses a {kind} DSD without a color in {use.endpoint.function}",
                where,
                use.endpoint.at,
                "name .fabric_color, or bind its queue with @initialize_queue",
            )


def _partners(program: Elaborated, uses: list[_Use]) -> Iterator[WaferError]:
    shape = program.height, program.width
    used = {color for use in uses for color in use.colors if color >= 0}
    nowhere = np.zeros(shape, np.bool_)
    for color in sorted(used | set(program.routes)):
        waits, receives, sends = nowhere.copy(), nowhere.copy(), nowhere.copy()
        for use in uses:
            grid = receives if use.endpoint.is_input else sends
            grid |= use.on(shape, color)
            if use.endpoint.is_input and not use.endpoint.is_task:
                waits |= use.on(shape, color)
        if color in program.routes:
            traced = trace_sources(program.routes[color])
            delivered = ((traced.tx & RAMP) != 0) & (traced.source >= 0)
            source = np.where(traced.source >= 0, traced.source, 0)
            begins = np.zeros(shape, np.bool_)
            begins.reshape(-1)[traced.source[traced.source >= 0]] = True
        else:
            delivered, source, begins = nowhere, np.zeros(shape, np.int64), nowhere
        fed = delivered & sends.reshape(-1)[source]
        heard = np.zeros(shape, np.bool_)
        heard.reshape(-1)[source[delivered & receives]] = True

        def speak(
            inputs: bool, where: Grid, message: str, advice: str, color: int = color
        ) -> Iterator[WaferError]:
            for use in uses:
                here = where & use.on(shape, color)
                if use.endpoint.is_input == inputs and here.any():
                    text = message.format(pe="{pe}", f=use.endpoint.function, c=color)
                    yield _problem(text, here, use.endpoint.at, advice)

        yield from speak(
            True,
            waits & ~delivered,
            "{pe} waits in {f} for color {c}, which no route brings to its ramp",
            "configure the color on this PE with RAMP in tx, from a PE with RAMP in rx",
        )
        yield from speak(
            True,
            waits & delivered & ~fed,
            "{pe} waits in {f} for color {c}, which the PE where its route begins never sends",
            "let the source PE send, or drop the receive",
        )
        yield from speak(
            False,
            sends & ~begins,
            "{pe} sends color {c} in {f}, but no route takes it from its ramp",
            "configure the color on this PE with RAMP in rx",
        )
        yield from speak(
            False,
            sends & begins & ~heard,
            "{pe} sends color {c} in {f}, but no PE on its route receives it",
            "let a PE on the route receive, or drop the send",
        )
        unheard = delivered & fed & ~receives
        if unheard.any():
            yield _problem(
                f"color {color} is delivered to {{pe}}, which never receives it",
                unheard,
                None,
                "drop RAMP from tx there, or receive it",
            )


def _queues(program: Elaborated, machine: Machine, uses: list[_Use]) -> Iterator[WaferError]:
    shape = program.height, program.width
    for is_input in (True, False):
        kind = "input" if is_input else "output"
        depths = machine.input_queue_depths if is_input else machine.output_queue_depths
        bound: dict[int, NDArray[np.int64]] = {}  # queue: color [y, x]; -1 where none
        carried: dict[int, NDArray[np.int64]] = {}  # color: queue [y, x]; -1 where none
        for where, queue, color, use in _bindings(program, uses, is_input):
            at = None if use is None else use.endpoint.at
            if not 0 <= queue < len(depths):
                yield _problem(
                    f"{{pe}} uses {kind} queue {queue}, which {machine.name} does not have",
                    where,
                    at,
                    f"{kind} queues are 0 to {len(depths) - 1}",
                )
                continue
            colors = bound.setdefault(queue, np.full(shape, -1, np.int64))
            other = where & (colors >= 0) & (colors != color)
            if other.any() and (is_input or program.arch == "wse3"):
                before = int(colors[other][0])
                yield _problem(
                    f"{{pe}} binds {kind} queue {queue} to color {color} and to color {before}",
                    other,
                    at,
                    "give each color a queue of its own",
                )
            colors[where] = color
            queues = carried.setdefault(color, np.full(shape, -1, np.int64))
            split = where & (queues >= 0) & (queues != queue)
            if split.any() and is_input:
                before = int(queues[split][0])
                yield _problem(
                    f"{{pe}} receives color {color} in input queue {queue} and in {before}",
                    split,
                    at,
                    "a color is delivered to one queue",
                )
            queues[where] = queue


def _bindings(
    program: Elaborated, uses: list[_Use], is_input: bool
) -> Iterator[tuple[Grid, int, int, _Use | None]]:
    """Every (PEs, queue, color): those that @initialize_queue makes, then those of the DSDs."""
    shape = program.height, program.width
    for pe_class in program.classes:
        table = pe_class.input_queues if is_input else pe_class.output_queues
        for queue, color in table.items():
            lanes = np.broadcast_to(np.asarray(color), len(pe_class.x))
            for value in np.unique(lanes):
                chosen = lanes == value
                where = np.zeros(shape, np.bool_)
                where[pe_class.y[chosen], pe_class.x[chosen]] = True
                yield where, queue, int(value), None
    for use in uses:
        if use.endpoint.is_input != is_input:
            continue
        named = use.endpoint.mask & (use.endpoint.queue >= 0) & (use.endpoint.color >= 0)
        pairs = np.stack([use.endpoint.queue[named], use.endpoint.color[named]], axis=-1)
        for queue, color in np.unique(pairs, axis=0):
            chosen = named & (use.endpoint.queue == queue) & (use.endpoint.color == color)
            yield use.grid(shape, chosen), int(queue), int(color), use


def _problem(message: str, where: Grid, at: Location | None, advice: str) -> WaferError:
    x, y = first_pe(where)
    return CheckError(message.format(pe=name_pe(x, y)), at, notes=count_note(where), help=advice)
