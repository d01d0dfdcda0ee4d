"""The vendor's host API over a bundle: enough of `SdkRuntime` for the host scripts we emit.

Names and argument order are those of `cerebras.sdk.runtime.sdkruntimepybind`, so that a host
script runs unchanged when that module is this one. Streaming copies are not here yet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import WaferError
from waferc_runtime.csl.core import Scalar
from waferc_runtime.csl.elaborate import elaborate
from waferc_runtime.host.bundle import read_bundle
from waferc_runtime.host.engines import ENGINES, Engine

Array = NDArray[Any]
_ELEMENT = re.compile(r"\[\*\]\s*(?:const\s+)?(\w+)\Z")
_SCALARS: Mapping[str, Scalar] = MappingProxyType({scalar.label: scalar for scalar in Scalar})


class HostError(WaferError):
    """A host script asks for something that the program or this wafer does not have."""

    code = "host"


class MemcpyDataType(Enum):
    """Size of the elements that a copy moves."""

    MEMCPY_32BIT = 0
    MEMCPY_16BIT = 1


class MemcpyOrder(Enum):
    """Order of host elements: [h, w, l] with l fastest, or with h fastest, then w."""

    ROW_MAJOR = 0
    COL_MAJOR = 1


class SdkRuntime:
    """Runs the bundle in `path`. `load` and `run` come before copies and launches."""

    def __init__(
        self, path: str | Path, cmaddr: str | None = None, *, engine: str = "vector", **options: Any
    ) -> None:
        if cmaddr:
            raise HostError(f"there is no wafer at {cmaddr!r}: only a virtual wafer can run here")
        if engine not in ENGINES:
            raise HostError(f"no engine is called {engine!r}", help=f"known: {', '.join(ENGINES)}")
        bundle = read_bundle(path)
        self._machine = bundle.manifest.machine
        self._elaborated = elaborate(bundle.sources, bundle.layout, self._machine, {})
        self._names = tuple(self._elaborated.export_types)
        self._factory = ENGINES[engine]
        self._engine: Engine | None = None
        self._running = False

    def __enter__(self) -> Self:
        self.load()
        self.run()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def load(self) -> None:
        """Put the program on the wafer."""
        self._engine = self._factory(self._elaborated, self._machine)

    def run(self) -> None:
        """Start the wafer."""
        if self._engine is None:
            raise HostError("run() before load()")
        self._running = True

    def stop(self) -> None:
        """Stop the wafer. Copies and launches after this are an error."""
        self._running = False

    def get_id(self, name: str) -> int:
        """The handle of an exported symbol.

        Raises:
            HostError: the program exports no symbol of that name.
        """
        if name not in self._names:
            raise HostError(
                f"the program exports no symbol {name!r}",
                help=f"it exports {', '.join(self._names)}",
            )
        return self._names.index(name)

    def memcpy_h2d(
        self,
        dest: int,
        src: Array,
        px: int,
        py: int,
        w: int,
        h: int,
        elem_per_pe: int,
        *,
        streaming: bool = False,
        data_type: MemcpyDataType = MemcpyDataType.MEMCPY_32BIT,
        order: MemcpyOrder = MemcpyOrder.ROW_MAJOR,
        nonblock: bool = False,
    ) -> None:
        """Copy `w * h * elem_per_pe` host elements to the array that symbol `dest` points to."""
        name, element = self._symbol(dest, streaming, data_type)
        flat = np.ravel(src)
        count = w * h * elem_per_pe
        if flat.size != count or flat.dtype.itemsize != 4:
            raise HostError(
                f"copy to {name}: {flat.size:,} elements of {flat.dtype}, "
                f"and {w} x {h} PEs take {count:,} elements of 32 bits"
            )
        words = np.ascontiguousarray(flat).view(np.uint32)
        if data_type is MemcpyDataType.MEMCPY_16BIT:
            values = words.astype(np.uint16).view(element)
        else:
            values = words.view(element)
        if order is MemcpyOrder.ROW_MAJOR:
            tiles = values.reshape(h, w, elem_per_pe)
        else:
            tiles = values.reshape(elem_per_pe, w, h).transpose(2, 1, 0)
        self._started().write(name, px, py, tiles)

    def memcpy_d2h(
        self,
        dest: Array,
        src: int,
        px: int,
        py: int,
        w: int,
        h: int,
        elem_per_pe: int,
        *,
        streaming: bool = False,
        data_type: MemcpyDataType = MemcpyDataType.MEMCPY_32BIT,
        order: MemcpyOrder = MemcpyOrder.ROW_MAJOR,
        nonblock: bool = False,
    ) -> None:
        """Copy from the array that symbol `src` points to into the 1-D array `dest`."""
        name, element = self._symbol(src, streaming, data_type)
        count = w * h * elem_per_pe
        if dest.shape != (count,) or dest.dtype.itemsize != 4:
            raise HostError(
                f"copy from {name}: the host array is {dest.shape} of {dest.dtype}, "
                f"and {w} x {h} PEs give {count:,} elements of 32 bits in one dimension"
            )
        tiles = self._started().read(name, px, py, w, h, elem_per_pe)
        ordered = tiles if order is MemcpyOrder.ROW_MAJOR else tiles.transpose(2, 1, 0)
        values = np.ascontiguousarray(ordered, dtype=element).ravel()
        if data_type is MemcpyDataType.MEMCPY_16BIT:
            dest.view(np.uint32)[:] = values.view(np.uint16)
        else:
            dest.view(np.uint32)[:] = values.view(np.uint32)

    def launch(self, name: str, *args: Any, nonblock: bool = False) -> None:
        """Call an exported function on all PEs and wait until the wafer is at rest."""
        self.get_id(name)
        self._started().launch(name, *args)

    def _started(self) -> Engine:
        if self._engine is None or not self._running:
            raise HostError("the wafer does not run: call load() and run() first")
        return self._engine

    def _symbol(
        self, id: int, streaming: bool, data_type: MemcpyDataType
    ) -> tuple[str, np.dtype[Any]]:
        if streaming:
            raise HostError("streaming copies are not supported", help="copy to exported symbols")
        if not 0 <= id < len(self._names):
            raise HostError(f"no symbol has the handle {id}", help="get handles from get_id()")
        name = self._names[id]
        written = self._elaborated.export_types[name]
        match = _ELEMENT.match(written)
        if match is None or match[1] not in _SCALARS:
            raise HostError(f"{name} is {written}, not a pointer to an array")
        element = np.dtype(_SCALARS[match[1]].numpy)
        bits = 32 if data_type is MemcpyDataType.MEMCPY_32BIT else 16
        if element.itemsize * 8 != bits:
            raise HostError(f"{name} is {written}, and the copy moves elements of {bits} bits")
        return name, element
