"""`SdkLayout`: a program out of code regions, compiled to what `SdkRuntime` runs."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from importlib.resources import files
from pathlib import Path

from waferc_ir.machine import Machine, machine
from waferc_runtime.host.artifact import Artifact, InitialData, Stream, write_artifact
from waferc_runtime.host.errors import HostError
from waferc_runtime.host.layout.generate import EMPTY, generate
from waferc_runtime.host.layout.geometry import IntVector, vector
from waferc_runtime.host.layout.plan import DirectStream, Plan, StreamRequest, plan
from waferc_runtime.host.layout.region import CodeRegion, PortHandle
from waferc_runtime.host.layout.routing import Color
from waferc_runtime.host.sources import FolderSources

_LAYOUT, _EMPTY, _STREAM = "sdk_layout.csl", "sdk_layout_empty.csl", "sdk_layout_stream.csl"


class SdkTarget(IntEnum):
    """The architecture to compile for."""

    WSE2 = 0
    WSE3 = 1


class FP16TYPE(IntEnum):
    """The format of f16."""

    F16 = 0
    BF16 = 1
    CB16 = 2


class SimfabConfig:
    """Options of the vendor's simulator; they mean nothing here."""

    def __init__(self, *arguments: object, **options: object) -> None:
        self.options = dict(options)


@dataclass(frozen=True, slots=True)
class SdkExecutionPlatform:
    """Where a program is to run: a virtual wafer of this architecture."""

    target: SdkTarget


def get_platform(
    cmaddr: str | None = None,
    config: SimfabConfig | None = None,
    target: SdkTarget = SdkTarget.WSE3,
) -> SdkExecutionPlatform:
    """The platform to run on. Raises HostError if an address is given."""
    if cmaddr:
        raise HostError(f"there is no wafer at {cmaddr!r}: only a virtual one runs here")
    return SdkExecutionPlatform(SdkTarget(target))


def get_simulator(
    config: SimfabConfig | None = None, target: SdkTarget = SdkTarget.WSE3
) -> SdkExecutionPlatform:
    """The virtual wafer."""
    return SdkExecutionPlatform(SdkTarget(target))


def get_system(cmaddr: str) -> SdkExecutionPlatform:
    """A real wafer, which there is not."""
    raise HostError(f"there is no wafer at {cmaddr!r}: only a virtual one runs here")


@dataclass(frozen=True, slots=True)
class SdkCompileArtifacts:
    """A compiled layout: the folder that `SdkRuntime` takes."""

    folder: str

    def __fspath__(self) -> str:
        return self.folder


class SdkLayout:
    """Code regions with their places, and what connects them."""

    def __init__(self, platform: SdkExecutionPlatform | SdkTarget, **options: object) -> None:
        if isinstance(platform, SdkTarget):
            platform = SdkExecutionPlatform(platform)
        if not isinstance(platform, SdkExecutionPlatform):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise HostError(f"{platform!r} is no platform", help="give what get_platform returns")
        self._target = platform.target
        self._regions: dict[str, CodeRegion] = {}
        self._connections: list[tuple[PortHandle, PortHandle]] = []
        self._streams: list[StreamRequest] = []
        self._direct: list[DirectStream] = []

    def create_code_region(self, source: str, name: str, width: int, height: int) -> CodeRegion:
        """A rectangle of PEs that run the CSL file `source`."""
        if name in self._regions:
            raise HostError(f"there is a code region {name} already")
        region = CodeRegion(os.path.normpath(source), name, width, height)
        self._regions[name] = region
        return region

    def hstack(self, children: Sequence[CodeRegion], origin: IntVector | None = None) -> int:
        """Place regions side by side, from west to east; their width in all."""
        x, y = _origin(children, origin)
        for child in children:
            child.place(x, y)
            x += child.width
        return sum(child.width for child in children)

    def vstack(self, children: Sequence[CodeRegion], origin: IntVector | None = None) -> int:
        """Place regions one below the other; their height in all."""
        x, y = _origin(children, origin)
        for child in children:
            child.place(x, y)
            y += child.height
        return sum(child.height for child in children)

    def connect(self, tx: PortHandle, rx: PortHandle) -> None:
        """Let what leaves an output port arrive at an input port; PEs are paired in order."""
        if tx.is_input or not rx.is_input:
            raise HostError(f"connect an output port to an input port, not {tx.name} to {rx.name}")
        if len(tx.places) != len(rx.places):
            raise HostError(
                f"port {tx.name} has {len(tx.places)} PEs and port {rx.name} {len(rx.places)}"
            )
        if tx.size != rx.size:
            raise HostError(
                f"port {tx.name} sends {tx.size} wavelets and port {rx.name} takes {rx.size}"
            )
        self._check_unused(tx)
        self._check_unused(rx)
        self._connections.append((tx, rx))

    def create_input_stream(
        self, port: PortHandle, io_loc: IntVector | None = None, io_buffer_size: int = 1024
    ) -> str:
        """Let the host send to an input port of one PE; the name for `SdkRuntime.send`."""
        return self._stream(port, io_loc, True)

    def create_output_stream(
        self, port: PortHandle, io_loc: IntVector | None = None, io_buffer_size: int = 1024
    ) -> str:
        """Let the host receive from an output port of one PE; the name for `receive`."""
        return self._stream(port, io_loc, False)

    def create_input_stream_from_loc(self, loc: IntVector, color: Color, prefix: str = "") -> str:
        """Let the host send on a color to the PE at `loc`, whose code takes it from there."""
        return self._reach(loc, color, prefix, True)

    def create_output_stream_from_loc(self, loc: IntVector, color: Color, prefix: str = "") -> str:
        """Let the host receive what the PE at `loc` sends on a color."""
        return self._reach(loc, color, prefix, False)

    def _reach(self, place: IntVector, color: Color, prefix: str, is_input: bool) -> str:
        name = f"{prefix}{color.get_global_name()}"
        known = [s.name for s in self._direct] + [s.name for s in self._streams]
        if name in known:
            raise HostError(f"there is a stream {name} already", help="give it a prefix")
        self._direct.append(DirectStream(name, vector(place), color, is_input))
        return name

    def _stream(self, port: PortHandle, place: IntVector | None, is_input: bool) -> str:
        if port.is_input is not is_input:
            way = "input" if is_input else "output"
            raise HostError(f"port {port.name} is no {way} port")
        if len(port.places) != 1:
            raise HostError(
                f"port {port.name} has {len(port.places)} PEs, and a stream has one",
                help="put a region of one PE between them that spreads or gathers the words",
            )
        self._check_unused(port)
        where = None if place is None else vector(place)
        self._streams.append(StreamRequest(port, port.name, where))
        return port.name

    def _check_unused(self, port: PortHandle) -> None:
        used = [p for pair in self._connections for p in pair]
        used += [request.port for request in self._streams]
        if any(port is other for other in used):
            raise HostError(f"port {port.name} is connected already")

    def compile(
        self,
        out_prefix: str,
        libs: Sequence[str] = (),
        cslc_prefix: str = "",
        save_port_map: bool = False,
        f16_type: FP16TYPE = FP16TYPE.F16,
    ) -> SdkCompileArtifacts:
        """Find ways and numbers, check the CSL, and write what `SdkRuntime` runs to a folder.

        Raises:
            WaferError: the layout or the CSL of a region is wrong.
        """
        if f16_type is not FP16TYPE.F16:
            raise HostError(f"{f16_type.name} is not supported; f16 is IEEE here")
        if not self._regions:
            raise HostError("the layout has no code region")
        target = machine(self._target.name.lower())
        regions = tuple(self._regions.values())
        made = plan(regions, self._connections, self._streams, self._direct)
        numbers = made.colors.assign(target)
        host_colors = _host_colors(target, numbers)
        stream = files("waferc_runtime.host.layout").joinpath("stream.csl").read_text("utf-8")
        sources = FolderSources(Path(), {_EMPTY: EMPTY, _STREAM: stream})
        names = {"empty": _EMPTY, "stream": _STREAM}
        sources.used[_LAYOUT] = generate(made, numbers, sources, names, host_colors)
        artifact = Artifact(
            sources,
            _LAYOUT,
            target,
            {},
            {},
            tuple(libs),
            tuple(made.bounds().origin),  # pyright: ignore[reportArgumentType]
            _streams(
                made, host_colors, [(s, numbers[made.colors.add(s.color)]) for s in self._direct]
            ),
            _data(made),
            is_layout=True,
        )
        elaborated = artifact.elaborate()
        folder = Path(out_prefix)
        write_artifact(replace(artifact, sources=dict(sources.used)), elaborated, folder)
        named = {
            color.get_global_name(): color.value
            for region in self._regions.values()
            for port in region.ports
            for color in (port.color,)
        }
        (folder / "colors.json").write_text(json.dumps(named, indent=1) + "\n", encoding="utf-8")
        return SdkCompileArtifacts(str(folder))


def _origin(children: Sequence[CodeRegion], origin: IntVector | None) -> tuple[int, int]:
    if not children:
        raise HostError("no code regions to place")
    place = origin or children[0].corner or IntVector(0, 0)
    return vector(place).x, vector(place).y


def _host_colors(target: Machine, numbers: dict[str, int]) -> tuple[int, int]:
    """Two colors that no router of the layout has: words come and go on them past all routers."""
    taken = {*numbers.values(), *target.reserved_colors}
    free = [number for number in range(target.colors) if number not in taken]
    if len(free) < 2:
        raise HostError("the layout leaves no two colors for streams of the host")
    return free[-1], free[-2]


def _streams(
    made: Plan, host_colors: tuple[int, int], direct: Sequence[tuple[DirectStream, int]]
) -> tuple[Stream, ...]:
    x, y = made.bounds().origin
    straight = [
        Stream(s.name, s.is_input, number, s.place.x - x, s.place.y - y) for s, number in direct
    ]
    through = [
        Stream(
            adaptor.name,
            adaptor.is_input,
            host_colors[0 if adaptor.is_input else 1],
            adaptor.place.x - x,
            adaptor.place.y - y,
        )
        for adaptor in made.adaptors
    ]
    return (*through, *straight)


def _data(made: Plan) -> tuple[InitialData, ...]:
    x, y = made.bounds().origin
    found: list[InitialData] = []
    for region in made.regions:
        assert region.corner is not None
        place = region.corner.x - x, region.corner.y - y
        found += [InitialData(name, *place, words) for name, words in region.symbols.items()]
    return tuple(found)
