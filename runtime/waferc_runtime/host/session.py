"""A bundle on a virtual wafer: weights written once, then one launch per call."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import WaferError, collect
from waferc_ir.dtypes import DType
from waferc_runtime.csl.elaborate import elaborate
from waferc_runtime.host.bundle import shape_text, show
from waferc_runtime.host.contents import Bundle
from waferc_runtime.host.engines import ENGINES, PHANTOM, Engine, EngineFactory
from waferc_runtime.host.placement import Placement
from waferc_runtime.host.shards import gather, scatter
from waferc_runtime.profile import Profile, Profiler
from waferc_runtime.statistics import Statistics

Array = NDArray[Any]


class InputError(WaferError):
    """The arrays given to a call are not those that the program takes."""

    code = "input"


@dataclass(frozen=True, slots=True)
class CallMeasures:
    """What one call of `entry` took: counts on the wafer, and seconds of simulation here.

    `profile` is where the cycles went, if the call was watched.
    """

    entry: str
    statistics: Statistics
    wall_seconds: float
    profile: Profile | None = None


class Session:
    """One program on one wafer. Elaborates and writes the weights when it is made.

    `last_call` are the measures of the last call of `run` or `measure`; None before the first.

    Raises:
        InputError: there is no such engine, or the bundle's weights are without data.
    """

    def __init__(self, bundle: Bundle, engine: str | EngineFactory = "vector") -> None:
        missing = sorted(bundle.manifest.without_data)
        if missing and engine != PHANTOM:
            raise InputError(
                f"{len(missing):,} weights and states of {bundle.manifest.name} are without data,"
                f" such as {missing[0]!r}",
                help="compile the model with its weights to run it; `waferc report --engine"
                " phantom` measures it without them",
            )
        if isinstance(engine, str) and engine not in ENGINES:
            raise InputError(
                f"no engine is called {engine!r}", help=f"known engines: {', '.join(ENGINES)}"
            )
        factory = ENGINES[engine] if isinstance(engine, str) else engine
        manifest = bundle.manifest
        self.bundle = bundle
        self.elaborated = elaborate(bundle.sources, bundle.layout, manifest.machine, {})
        self._profiler = Profiler(self.elaborated, manifest.regions)
        self.engine: Engine = factory(self.elaborated, manifest.machine, observer=self._profiler)
        for placement in manifest.state if engine != PHANTOM else ():
            self._write(placement, bundle.weights[placement.label])
        self.last_call: CallMeasures | None = None

    def reset(self) -> None:
        """Give all states that calls change the content that they had before the first call."""
        for placement in self.bundle.manifest.state:
            if placement.is_mutable:
                self._write(placement, self.bundle.weights[placement.label])

    def states(self) -> dict[str, Array]:
        """What the states that calls change hold now, by label."""
        found = self.bundle.manifest.state
        return {p.label: self._read(p) for p in found if p.is_mutable}

    def run(
        self, inputs: Mapping[str, Array], *, entry: str | None = None, watch: bool = False
    ) -> dict[str, Array]:
        """The outputs by label, for the inputs by label; `watch` to see where cycles go.

        A program of several entries runs the one called `entry`.

        Raises:
            EntryError: there is no such entry, or none is named.
            InputError: names, shapes or element types differ from the program's.
            WaferError: the program went wrong on the wafer.
        """
        called = self.bundle.manifest.entry(entry)
        arrays = check_inputs(called.inputs, inputs)
        start = time.perf_counter()
        for placement in called.inputs:
            self._write(placement, arrays[placement.label])
        measures = self.measure(entry=called.label, watch=watch)
        outputs = {placement.label: self._read(placement) for placement in called.outputs}
        self.last_call = replace(measures, wall_seconds=time.perf_counter() - start)
        return outputs

    def measure(self, *, entry: str | None = None, watch: bool = False) -> CallMeasures:
        """What a call takes, on what the wafer's memory holds: no input is written."""
        called = self.bundle.manifest.entry(entry)
        before = self.engine.statistics()
        start = time.perf_counter()
        if watch:
            self._profiler.begin(before.cycles, self.engine.link_loads())
        self.engine.launch(called.function)
        seconds = time.perf_counter() - start
        after = self.engine.statistics()
        profile = None
        if watch:
            profile = self._profiler.end(after.cycles, self.engine.link_loads())
        self.last_call = CallMeasures(called.label, _difference(after, before), seconds, profile)
        return self.last_call

    def _carrier(self, placement: Placement) -> np.dtype[Any]:
        """Element type of the tiles in memory: booleans are held as 0 and 1 of the float type."""
        if placement.dtype is DType.BOOL:
            return np.dtype(self.bundle.manifest.dtype.numpy)
        return np.dtype(placement.dtype.numpy)

    def _write(self, placement: Placement, array: Array) -> None:
        tiles = scatter(array.astype(self._carrier(placement), copy=False), placement)
        self.engine.write(placement.symbol, placement.region.x, placement.region.y, tiles)

    def _read(self, placement: Placement) -> Array:
        region = placement.region
        tiles = self.engine.read(
            placement.symbol,
            region.x,
            region.y,
            region.width,
            region.height,
            placement.local_elements,
        )
        array = gather(tiles, placement)
        return array.astype(np.dtype(placement.dtype.numpy), copy=False)


def check_inputs(
    placements: tuple[Placement, ...], inputs: Mapping[str, Array]
) -> dict[str, Array]:
    """The arrays in the program's element types.

    Integers of any width are taken where their values fit i32; f32 is rounded where the program
    is compiled for f16. All problems are reported together.

    Raises:
        InputError: names, shapes, element types or integer values do not fit.
    """
    if not isinstance(inputs, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"inputs are given by label, not as {type(inputs).__name__}")
    wanted = {placement.label: placement for placement in placements}
    problems: list[WaferError] = []
    unknown = [label for label in inputs if label not in wanted]
    if unknown:
        problems.append(
            InputError(
                f"the program has no input {', '.join(map(repr, unknown))}",
                help=f"it takes {', '.join(map(str, wanted.values()))}",
            )
        )
    arrays: dict[str, Array] = {}
    for label, placement in wanted.items():
        try:
            arrays[label] = _fitting(placement, inputs)
        except InputError as problem:
            problems.append(problem)
    error = collect(problems)
    if error is not None:
        raise error
    return arrays


def _fitting(placement: Placement, inputs: Mapping[str, Array]) -> Array:
    if placement.label not in inputs:
        raise InputError(f"input {placement.label!r} is missing", help=f"it is {placement}")
    array = np.asarray(inputs[placement.label])
    expected = shape_text(placement.shape, placement.dtype)
    wrong = InputError(
        f"input {placement.label!r} is {show(array)}; the program takes {expected}",
        help="compile again for other shapes, or convert the array",
    )
    if array.shape != placement.shape:
        raise wrong
    wanted = np.dtype(placement.dtype.numpy)
    if array.dtype == wanted:
        return array
    if placement.dtype is DType.F16 and array.dtype == np.float32:
        with np.errstate(over="ignore"):
            return array.astype(np.float16)
    if wanted.kind == "i" and array.dtype.kind in "iu":
        limits = np.iinfo(wanted)
        if array.size and not (limits.min <= array.min() and array.max() <= limits.max):
            raise InputError(
                f"input {placement.label!r} has values from {array.min():,} to {array.max():,}; "
                f"{placement.dtype} holds {limits.min:,} to {limits.max:,}"
            )
        return array.astype(wanted)
    raise wrong


def _difference(after: Statistics, before: Statistics) -> Statistics:
    """The counts of what happened between two readings; memory as it is after."""
    return Statistics(
        cycles=after.cycles - before.cycles,
        busy_cycles=after.busy_cycles - before.busy_cycles,
        wait_cycles=after.wait_cycles - before.wait_cycles,
        macs=after.macs - before.macs,
        flops=after.flops - before.flops,
        wavelets_sent=after.wavelets_sent - before.wavelets_sent,
        wavelet_hops=after.wavelet_hops - before.wavelet_hops,
        link_load=after.link_load - before.link_load,
        sram_bytes=after.sram_bytes,
        f16_flops=after.f16_flops - before.f16_flops,
    )
