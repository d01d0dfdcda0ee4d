"""Operations on the fabric as transfers: streams, queues and lengths found for each operand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.builtins.dsd import DsdOp
from waferc_runtime.builtins.scalar import DTYPES
from waferc_runtime.csl import core
from waferc_runtime.vector.access import Access
from waferc_runtime.vector.channel import Channel
from waferc_runtime.vector.crossings import Crossings
from waferc_runtime.vector.dsr import Save
from waferc_runtime.vector.dynamic import dynamic_colors, meeting_colors, written_colors
from waferc_runtime.vector.fifo import Fifos
from waferc_runtime.vector.group import Code, Group
from waferc_runtime.vector.host_stream import HostStream
from waferc_runtime.vector.indexed import Indexed
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.links import LinksOfColor, SharedLinks
from waferc_runtime.vector.map import MapRun
from waferc_runtime.vector.occupancy import Holdings
from waferc_runtime.vector.operation import (
    Misuse,
    Operands,
    access_of,
    elements_of,
    folds,
)
from waferc_runtime.vector.ports import Captured, Port, Running
from waferc_runtime.vector.recorded import with_out
from waferc_runtime.vector.registers import Registers
from waferc_runtime.vector.router_registers import RouterRegisters
from waferc_runtime.vector.router_stream import RoutedStream
from waferc_runtime.vector.routers import Routers
from waferc_runtime.vector.routes import ColorRoutes
from waferc_runtime.vector.state import ClassState
from waferc_runtime.vector.stream import Stream
from waferc_runtime.vector.transfer import ENDLESS, Dest, Source, Transfer
from waferc_runtime.vector.unknown import UNKNOWN
from waferc_runtime.vector.values import FabricDsd, FifoDsd, MemoryDsd, PointerValue, RunValue

Times = NDArray[np.int64]
INFINITE = 0x7FFF  # a length on the fabric that never ends (csl.md 6.3)
NO_MICROTHREAD = -(1 << 20)  # of what the main thread does
_NO_FABRIC = -(1 << 19)  # of operations that use no queue, which never are in each other's way


class Network:
    """The streams of a wafer, by color, made when they are first used.

    `depths` gives, for a color, the depth of each PE's input queue for it: [pe].
    """

    def __init__(
        self,
        elaborated: core.Elaborated,
        machine: Machine,
        depths: Callable[[int], Times],
        code: Callable[[ClassState, core.Function], Code],
        has_data: bool,
    ) -> None:
        self.crossings: Crossings | None = None  # told of words that leave routers
        self.width = elaborated.width
        self.height = elaborated.height
        self.machine = machine
        self.arch = elaborated.arch
        self.code = code
        self.has_data = has_data
        self.streams: dict[int, Channel] = {}
        self.routers: Routers | None = None  # of the dynamic colors
        dynamic = dynamic_colors(elaborated)
        self.routed_colors = dynamic | meeting_colors(elaborated, dynamic)
        self._dynamic = dynamic
        self._written = written_colors(elaborated)
        self.host_inputs = elaborated.host_inputs
        self.host_outputs = elaborated.host_outputs
        self.fifos = Fifos(machine, elaborated.width, elaborated.height)
        self._routes: Mapping[int, core.Routes] = elaborated.routes
        self._depths = depths
        self._shared: SharedLinks | None = None  # found with the first stream

    def stream(self, color: int) -> Channel:
        """The stream of a color; one without routes reaches no PE."""
        if color in self.host_inputs or color in self.host_outputs:
            return self.host_stream(color)
        if color in self.routed_colors:
            return self._routed(color)
        if color not in self.streams:
            routes = ColorRoutes(color, self._routes.get(color), self.width, self.height)
            depths = self._depths(color)
            made = Stream(routes, self.machine, depths, self.has_data)
            made.crossings = self.crossings
            made.links = self._links_of(made)
            self.streams[color] = made
        return self.streams[color]

    def senders_to(self, color: int, pes: Indices) -> Indices | None:
        """The PEs that may have waited for these to take a word; None: any."""
        stream = self.stream(color)
        return stream.senders_of(stream.columns(pes))

    def _links_of(self, stream: Stream) -> LinksOfColor | None:
        """The links of a static color that others use too; None if there are none."""
        if self._shared is None:
            static = [r for c, r in self._routes.items() if c not in self.routed_colors]
            self._shared = SharedLinks(static, self.machine, self.width, self.height)
        if not self._shared.is_any:
            return None
        links = LinksOfColor(self._shared, stream.routes, stream.receivers)
        return links if links.is_any else None

    def host_stream(self, color: int) -> HostStream:
        """The stream of a color between host and ramps."""
        stream = self.streams.get(color)
        if not isinstance(stream, HostStream):
            stream = HostStream(color, self.machine, self.width, self.height)
            stream.crossings = self.crossings
            self.streams[color] = stream
        return stream

    def _routed(self, color: int) -> Channel:
        if color not in self.streams:
            routes = None
            if color not in self._dynamic:
                routes = ColorRoutes(color, self._routes.get(color), self.width, self.height)
            self.streams[color] = RoutedStream(color, self._made_routers(), routes)
        return self.streams[color]

    def _made_routers(self) -> Routers:
        if self.routers is None:
            colors = sorted(self.routed_colors)
            depths = {color: self._depths(color) for color in colors}
            self.routers = Routers(
                colors, self._routes, self.width, self.height, self.machine, depths, self._written
            )
            self.routers.crossings = self.crossings
        return self.routers

    @property
    def registers(self) -> Registers:
        """The configuration registers of the wafer."""
        routers = self._made_routers() if self.routed_colors else None
        return Registers(RouterRegisters(routers, self._routes, self.width * self.height))

    def port(self, dsd: FabricDsd, element: core.Scalar) -> Port:
        """A fabric operand; its color is the same on all PEs at hand."""
        assert isinstance(dsd.color, int)
        depths = self.machine.output_queue_depths
        depth = max(depths)
        if dsd.kind == "fabout" and dsd.queue is not None:
            depth = depths[dsd.queue]
        is_narrow = element.words == 1
        return Port(
            self.stream(dsd.color),
            element,
            2 if dsd.is_packed and is_narrow else 1,
            depth,
            dsd.sends_control,
            dsd.advances_switch,
            dsd.index if is_narrow else 0,
        )

    def drained(self, color: int, queue: int, pes: Indices) -> Times:
        """Since when nothing of a color lies in the output queue of PEs; NEVER: not yet known."""
        stream, depth = self.stream(color), self.machine.output_queue_depths[queue]
        since = np.zeros(len(pes), np.int64)
        has_sent = np.flatnonzero(stream.sent[pes] > 0)
        if len(has_sent):
            outlet = stream.outlet(pes[has_sent], depth)
            since[has_sent] = stream.drained(outlet, depth)
        return since

    def receiving(
        self, transfers: Sequence[Transfer]
    ) -> dict[ClassState, dict[int, NDArray[np.bool_]]]:
        """By class and color: on which PEs an operation under way receives it."""
        found: dict[ClassState, dict[int, NDArray[np.bool_]]] = {}
        for transfer in transfers:
            here = found.setdefault(transfer.state, {})
            is_open = transfer.done < transfer.total
            for port in transfer.inputs:
                color = port.stream.color
                if color not in here:
                    here[color] = np.zeros(transfer.state.count, np.bool_)
                here[color][transfer.lanes.index] |= is_open
        return found


def transfers_of(
    group: Group,
    kinds: Sequence[tuple[Indices | None, Operands]],
    network: Network,
    config: core.DsdConfig,
    saves: Sequence[Save],
    uses: Holdings,
) -> list[Transfer]:
    """A DSD operation with operands on the fabric or a FIFO, for each set of PEs it is alike on.

    Raises:
        Misuse: operands that do not go together.
    """
    found: list[Transfer] = []
    for positions, operands in kinds:
        op = operands.op
        fabric = [o for o in (operands.dest, *operands.sources) if isinstance(o, FabricDsd)]
        chosen = _all(group) if positions is None else positions
        count = _endless(operands.length)
        ends = Ends(group.state, network, count)
        sources = [
            ends.source(source, element)
            for source, element in zip(operands.sources, op.source_elements, strict=True)
        ]
        dest = ends.dest(operands, len(chosen))
        fifos = [o for o in (operands.dest, *operands.sources) if isinstance(o, FifoDsd)]
        if len(fifos) > 1:
            raise Misuse(f"{op.name} has more than one FIFO")
        ports = [port for port in (*sources, dest) if isinstance(port, Port)]
        colors = [port.stream.color for port in ports if port is not dest]
        if len(set(colors)) < len(colors):
            raise Misuse(f"{op.name} receives one color twice")
        transfer = _transfer(
            group,
            chosen,
            op.name,
            op.computation(network.machine),
            dest,
            sources,
            count,
            group.clock[chosen] + network.machine.dsd_setup_cycles,
            config,
        )
        if not fifos:
            transfer.step = min(port.per_word for port in ports)
        transfer.work = _counter(group.state, op)
        transfer.saves = saves if positions is None else [s.at(positions) for s in saves]
        transfer.uses = uses
        transfer.ends_at_fifo = bool(fifos) and not config.is_async
        if config.is_async:
            transfer.microthread = microthread_of(group.state, fabric, config)
        found.append(transfer)
    return found


def _endless(length: int | Times) -> int | Times:
    if isinstance(length, np.ndarray):
        return np.where(length == INFINITE, ENDLESS, length)
    return ENDLESS if length == INFINITE else length


def map_transfers(
    group: Group, run: MapRun, network: Network, saves: Sequence[Save]
) -> list[Transfer]:
    """A `@map` of a function on arrays with fabric operands."""
    pure = run.pure
    assert pure is not None
    assert pure.cycles is not None
    machine = network.machine
    operands = (*run.inputs, run.output)
    count = run.count
    if any(isinstance(v, FabricDsd) and v.is_packed for v in operands):
        raise Misuse("@map does not take packed fabric operands")
    ends = Ends(group.state, network, count)
    sources = [ends.source(value, kind) for value, kind in zip(run.inputs, run.types, strict=True)]
    dest: Dest = None
    match run.output:
        case FabricDsd():
            dest = network.port(run.output, run.result)
        case MemoryDsd():
            dest = ends.memory(run.output, run.result)
        case _:
            raise Misuse("@map cannot write to its output")
    chosen = _all(group)
    start = group.clock[chosen] + machine.dsd_setup_cycles
    compute = with_out(pure.compute)
    transfer = _transfer(
        group, chosen, "@map", compute, dest, sources, count, start, core.DsdConfig()
    )
    transfer.pace = pure.cycles + machine.loop_cycles
    transfer.delay = pure.cycles
    transfer.saves = saves
    return [transfer]


def one_element(
    group: Group, network: Network, dsd: FabricDsd, element: core.Scalar, value: RunValue
) -> Transfer:
    """A transfer of one element at no cost: of `value`, or into a variable if that is None."""
    if dsd.is_packed and element.words == 1:
        raise Misuse("@map does not take packed fabric operands")
    chosen = _all(group)
    port = network.port(dsd, element)
    source: Source = port if value is None else np.asarray(value)
    dest: Dest = port
    if value is None:
        dest = Captured(np.zeros(len(chosen), DTYPES[element]))
    compute = with_out(np.asarray)
    made = _transfer(
        group, chosen, "@map", compute, dest, [source], 1, group.clock, core.DsdConfig()
    )
    made.pace = 0
    return made


def microthread_of(state: ClassState, fabric: Sequence[FabricDsd], config: core.DsdConfig) -> int:
    """The microthread: as configured, else the output queue's, else the first input queue's."""
    if config.microthread is not None:
        return config.microthread
    if not fabric:
        return _NO_FABRIC
    outputs = [dsd for dsd in fabric if dsd.kind == "fabout"]
    first = (outputs or list(fabric))[0]
    if first.queue is not None:
        return first.queue
    color = first.color if isinstance(first.color, int) else int(first.color.flat[0])
    if first.kind == "fabin":
        for queue, bound in state.queues.inputs.items():
            if np.all(np.asarray(bound) == color):
                return queue
    return -1 - color


def _transfer(
    group: Group,
    chosen: Indices,
    name: str,
    compute: Any,
    dest: Dest,
    sources: Sequence[Source],
    count: int | Times,
    start: Times,
    config: core.DsdConfig,
) -> Transfer:
    frame = group.frames[-1]
    lanes = group.lanes if len(chosen) == group.lanes.count else group.lanes.at(chosen)
    total = np.array(np.broadcast_to(np.asarray(count, np.int64), len(chosen)))
    return Transfer(
        state=group.state,
        lanes=lanes,
        pes=group.state.pes[lanes.index],
        positions=chosen,
        compute=compute,
        dest=dest,
        sources=sources,
        total=total,
        done=np.zeros(len(chosen), np.int64),
        next=start,
        step=1,
        pace=1,
        delay=0,
        config=config,
        place=frame.code.places[group.pc],
        name=name,
        function=frame.code.name,
        finished=_ignore_finished,
        work=_ignore,
        microthread=NO_MICROTHREAD,
    )


def _all(group: Group) -> Indices:
    return np.arange(group.lanes.count)


def _counter(state: ClassState, op: DsdOp) -> Callable[[int], None]:
    return lambda elements: state.count_work(op, elements)


def _ignore(elements: int) -> None:
    return None


def _ignore_finished(transfer: Transfer, places: Indices) -> None:
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """Makes the operands of an operation of `count` elements."""

    state: ClassState
    network: Network
    count: int | Times

    def source(self, value: RunValue, element: core.Scalar) -> Source:
        """A source."""
        match value:
            case FabricDsd():
                if value.kind == "fabout":
                    raise Misuse("a fabout DSD is used as a source")
                return self.network.port(value, element)
            case FifoDsd():
                return self._fifo(value, element)
            case MemoryDsd():
                return self.memory(value, element)
            case _:
                return value if value is UNKNOWN else np.asarray(value)

    def dest(self, operands: Operands, pes: int) -> Dest:
        """The destination, on so many PEs."""
        op = operands.op
        match operands.dest:
            case FabricDsd() as dsd:
                if dsd.kind == "fabin":
                    raise Misuse("a fabin DSD is used as a destination")
                return self.network.port(dsd, op.element)
            case FifoDsd() as dsd:
                return self._fifo(dsd, op.element)
            case MemoryDsd() as dsd:
                return self.memory(dsd, op.element)
            case PointerValue() as pointer:
                access = Access(pointer.block, pointer.words, (), (), op.element)
                start = np.zeros(pes, DTYPES[op.element])
                if folds(pointer, operands.sources):
                    if operands.sources[0] is not UNKNOWN:
                        start[...] = operands.sources[0]
                    return Running(access, start)
                return Running(access, start, is_last=True)
            case _:
                raise Misuse(f"{op.name} cannot write to its first operand")

    def memory(self, dsd: MemoryDsd, element: core.Scalar) -> Access | Indexed:
        """An operand in memory."""
        if len(dsd.extents) == 1:
            return access_of(dsd, element)
        if isinstance(self.count, np.ndarray):
            raise Misuse("an operation of different lengths has an operand of several dimensions")
        return elements_of(dsd, element, self.count)

    def _fifo(self, value: FifoDsd, element: core.Scalar) -> Port:
        stream = self.network.fifos.of(self.state, value.fifo)
        stream.use(element)
        return Port(stream, element)
