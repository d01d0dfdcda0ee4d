"""The vendor's host API over a virtual wafer: `SdkRuntime` and what goes with it.

Names and argument order are those of `cerebras.sdk.runtime.sdkruntimepybind`, so that a host
script runs unchanged when that module is this one.

Commands run when they are called, in order. A copy to or from memory and a launch first wait for
the launches before them; streams do not, as the functions that they feed may be running. A
`nonblock` receive is completed as soon as its words have come, at the latest by `task_wait` or
`stop`; all other commands are over when they return.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.csl.core import Scalar
from waferc_runtime.energy import energy
from waferc_runtime.host import elements
from waferc_runtime.host.artifact import Stream, read_artifact
from waferc_runtime.host.elements import MemcpyDataType, MemcpyOrder, Words, bits_of, order_of
from waferc_runtime.host.engines import ENGINES, Engine
from waferc_runtime.host.errors import HostError
from waferc_runtime.host.exports import Exports
from waferc_runtime.host.finished import WAFERS, Wafer
from waferc_runtime.host.receipts import Receipts, Task
from waferc_runtime.host.settings import from_environment
from waferc_runtime.host.sim_log import SimLog, sim_log

__all__ = ["HostError", "MemcpyDataType", "MemcpyOrder", "SdkRuntime", "Task"]

Array = NDArray[Any]


class SdkRuntime:
    """Runs the program in `path`. `load` and `run` come before copies and launches.

    `platform` is the second argument of the vendor's: an address, or what `get_platform` gives.
    Options of the vendor's simulator are taken and mean nothing here.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        platform: object = None,
        *,
        cmaddr: str | None = None,
        engine: str | None = None,
        **options: object,
    ) -> None:
        for address in (platform, cmaddr):
            if isinstance(address, str) and address:
                raise HostError(f"there is no wafer at {address!r}: only a virtual one runs here")
        settings = from_environment()
        self._settings = settings if engine is None else replace(settings, engine=engine)
        if self._settings.engine not in ENGINES:
            raise HostError(f"no engine is called {engine!r}", help=f"known: {', '.join(ENGINES)}")
        self._path = Path(path).absolute()
        self._artifact = read_artifact(path)
        self._elaborated = self._artifact.elaborate()
        self._exports = Exports(self._elaborated.export_types)
        self._streams = {stream.name: stream for stream in self._artifact.streams}
        self._engine: Engine | None = None
        self._receipts = Receipts()
        self._log: SimLog | None = None
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
        if problem is None:
            self.stop()
        self._running = False

    # ---- life ------------------------------------------------------------------------------------

    def load(self) -> None:
        """Put the program on the wafer."""
        if self._engine is not None:
            return
        self._log = sim_log(self._artifact)
        self._engine = ENGINES[self._settings.engine](
            self._elaborated,
            self._artifact.machine,
            self._settings.choices,
            self._log,
            max_cycles=self._settings.max_cycles,
        )
        WAFERS.remember(self._path, Wafer(self._artifact, self._engine))

    def run(self) -> None:
        """Start the wafer: tasks that are active from the beginning run."""
        if self._engine is None:
            raise HostError("run() before load()")
        if not self._running:
            self._running = True
            self._engine.start()

    def stop(self) -> None:
        """Wait for all commands, then stop the wafer. Whatever comes after this is an error.

        Raises:
            RunError: some command cannot come to its end; it names who waits for whom.
        """
        if self._engine is None or not self._running:
            return
        self._receipts.complete_all(self._engine)
        self._engine.finish()
        self._running = False
        if self._log is not None:
            self._log.close()
        if self._settings.statistics is not None:
            self._append_statistics(self._engine, self._settings.statistics)

    # ---- names -----------------------------------------------------------------------------------

    def get_id(self, name: str) -> int:
        """The handle of an exported symbol.

        Raises:
            HostError: the program exports no symbol of that name.
        """
        return self._exports.handle(name)

    def get_symbol(self, name: str) -> int:
        """The same as `get_id`."""
        return self._exports.handle(name)

    def get_port_id(self, name: str) -> int:
        """The number of a stream."""
        return list(self._streams).index(self._stream(name).name)

    def read_symbol(self, x: int, y: int, name: str, dtype: Any = "uint8") -> Array:
        """All elements of a variable of PE (x, y), exported or not.

        Coordinates are those of the fabric for a program of `SdkLayout`, else the program's.

        Raises:
            WaferError: no such PE, or no such variable there, or another type of elements.
        """
        column, row = elements.place_of(x, y)
        if self._artifact.is_layout:
            column -= self._artifact.offsets[0]
            row -= self._artifact.offsets[1]
        return elements.seen_as(self._loaded().symbol(column, row, str(name)), dtype, name)

    # ---- copies ----------------------------------------------------------------------------------

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
    ) -> Task:
        """Copy `w * h * elem_per_pe` host elements to the PEs from (px, py) on.

        `dest` is a symbol's handle, or with `streaming` a color.
        """
        px, py, w, h, elem_per_pe = self._checked(px, py, w, h, elem_per_pe)
        words = elements.host_words(src, w * h * elem_per_pe, "copy to PEs")
        tiles = elements.to_tiles(words, h, w, elem_per_pe, order_of(order))
        return self._put(dest, px, py, tiles, streaming, bits_of(data_type))

    def memcpy_h2d_rowbcast(
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
    ) -> Task:
        """Copy `h * elem_per_pe` elements, one part per row, to all PEs of the row."""
        px, py, w, h, elem_per_pe = self._checked(px, py, w, h, elem_per_pe)
        words = elements.host_words(src, h * elem_per_pe, "copy to rows")
        column = elements.to_tiles(words, h, 1, elem_per_pe, order_of(order))
        tiles = np.broadcast_to(column, (h, w, elem_per_pe))
        return self._put(dest, px, py, tiles, streaming, bits_of(data_type))

    def memcpy_h2d_colbcast(
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
    ) -> Task:
        """Copy `w * elem_per_pe` elements, one part per column, to all PEs of the column."""
        px, py, w, h, elem_per_pe = self._checked(px, py, w, h, elem_per_pe)
        words = elements.host_words(src, w * elem_per_pe, "copy to columns")
        row = elements.to_tiles(words, 1, w, elem_per_pe, order_of(order))
        tiles = np.broadcast_to(row, (h, w, elem_per_pe))
        return self._put(dest, px, py, tiles, streaming, bits_of(data_type))

    def memcpy_h2d_stride(
        self,
        dest: int,
        src: Array,
        px: int,
        py: int,
        w: int,
        h: int,
        elem_per_pe: int,
        row_stride: int,
        col_stride: int,
        *,
        streaming: bool = False,
        data_type: MemcpyDataType = MemcpyDataType.MEMCPY_32BIT,
        order: MemcpyOrder = MemcpyOrder.ROW_MAJOR,
        nonblock: bool = False,
    ) -> Task:
        """Copy to every `row_stride`th PE of every `col_stride`th row of the rectangle."""
        px, py, w, h, elem_per_pe = self._checked(px, py, w, h, elem_per_pe)
        given = row_stride, col_stride
        row_stride, col_stride = (elements.whole(stride) or 0 for stride in given)
        if row_stride < 1 or col_stride < 1:
            raise HostError(f"strides of {given[0]} and {given[1]}: both must be positive")
        columns, rows = 1 + (w - 1) // row_stride, 1 + (h - 1) // col_stride
        words = elements.host_words(src, rows * columns * elem_per_pe, "copy with strides")
        tiles = elements.to_tiles(words, rows, columns, elem_per_pe, order_of(order))
        for row in range(rows):
            for column in range(columns):
                one = tiles[row : row + 1, column : column + 1]
                x, y = px + column * row_stride, py + row * col_stride
                self._put(dest, x, y, one, streaming, bits_of(data_type))
        return Task.done()

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
    ) -> Task:
        """Copy elements of the PEs from (px, py) on into `dest`, in place.

        `src` is a symbol's handle, or with `streaming` a color.
        """
        px, py, w, h, elem_per_pe = self._checked(px, py, w, h, elem_per_pe)
        bits = bits_of(data_type)
        order = order_of(order)
        array = elements.check_destination(dest, w * h * elem_per_pe, "copy from PEs")
        if streaming:
            color = self._color(src, self._elaborated.host_outputs)
            return self._take(color, (px, py, w, h), elem_per_pe, order, array, nonblock)
        name, element = self._exports.array(src)
        memory = self._read(name, element, (px, py, w, h), elem_per_pe * bits // 16)
        tiles = elements.from_memory(memory, bits)
        elements.fill(array, elements.from_tiles(tiles, order))
        return Task.done()

    # ---- calls -----------------------------------------------------------------------------------

    def launch(self, name: str, *args: Any, nonblock: bool = False) -> Task:
        """Call an exported function on all PEs that have it.

        Raises:
            RunError: (unless `nonblock`) some PE does not call `unblock_cmd_stream`.
        """
        engine = self._started()
        arguments = self._exports.arguments(name, args)
        engine.finish()
        engine.launch(name, *arguments, wait=False)
        self._receipts.complete_ready(engine)
        if not nonblock:
            engine.finish()
        return Task.done()

    def call(self, name: str, args: Any = (), nonblock: bool = False) -> Task:
        """The old form of `launch`."""
        return self.launch(name, *elements.listed(args, "arguments"), nonblock=nonblock)

    # ---- streams of SdkLayout --------------------------------------------------------------------

    def send(
        self, port: str | int, src: Array, n_wavelets: int | None = None, nonblock: bool = False
    ) -> Task:
        """Send `n_wavelets` words (all of `src`, if it is not said) to a stream."""
        stream = self._stream(port)
        if not stream.is_input:
            raise HostError(f"{stream.name} is an output of the wafer: receive from it")
        what = f"send to {stream.name}"
        size = src.size if isinstance(src, np.ndarray) else 0  # pyright: ignore[reportUnnecessaryIsInstance]
        count = size if n_wavelets is None else elements.wavelets(n_wavelets, size, what)
        words = elements.host_words(src, size, what)[:count]
        engine = self._started()
        engine.send(stream.color, stream.x, stream.y, words.reshape(1, 1, count))
        self._receipts.complete_ready(engine)
        return Task.done()

    def receive(
        self, port: str | int, dest: Array, n_wavelets: int, nonblock: bool = False
    ) -> Task:
        """Receive `n_wavelets` words of a stream into the beginning of `dest`."""
        stream = self._stream(port)
        if stream.is_input:
            raise HostError(f"{stream.name} is an input of the wafer: send to it")
        what = f"receive from {stream.name}"
        size = dest.size if isinstance(dest, np.ndarray) else 0  # pyright: ignore[reportUnnecessaryIsInstance]
        array = elements.check_destination(dest, size, what).reshape(-1)
        count = elements.wavelets(n_wavelets, size, what)
        rectangle = stream.x, stream.y, 1, 1
        order = MemcpyOrder.ROW_MAJOR
        return self._take(stream.color, rectangle, count, order, array[:count], nonblock)

    def receive_tofile(self, port: str | int, outfile: str, nonblock: bool = False) -> Task:
        """Write what has come from a stream to a file, as little-endian 32-bit words."""
        stream = self._stream(port)
        rectangle = stream.x, stream.y, 1, 1
        engine = self._started()
        count = int(engine.received(stream.color, *rectangle)[0, 0])
        words = engine.receive(stream.color, *rectangle, count)
        words.astype("<u4").tofile(outfile)
        return Task.done()

    def report_port_infos(self) -> None:
        """Print name, color and fabric coordinates of every stream."""
        x0, y0 = self._artifact.offsets
        for stream in self._streams.values():
            way = "in" if stream.is_input else "out"
            place = f"({stream.x + x0}, {stream.y + y0})"
            print(f"{stream.name}: {way}, color {stream.color}, PE {place}")

    # ---- tasks -----------------------------------------------------------------------------------

    def task_wait(self, task: Task) -> None:
        """Wait until a command is over. Raises RunError if it cannot come to its end."""
        self._receipts.complete(self._started(), Task.known(task))

    def is_task_done(self, task: Task) -> bool:
        """Whether a command is over."""
        return Task.known(task).is_done

    # ---- the vendor's simulator ------------------------------------------------------------------

    def dump_core(self, file: str = "") -> None:
        """Does nothing: `debug_util` asks the wafer itself."""

    def coord_logical_to_physical(self, coordinates: Any) -> Any:
        """Fabric coordinates of a PE of the program rectangle."""
        x, y = elements.place_of(*elements.listed(coordinates, "coordinates", 2))
        return x + self._artifact.offsets[0], y + self._artifact.offsets[1]

    # ---- inside ----------------------------------------------------------------------------------

    def _loaded(self) -> Engine:
        if self._engine is None:
            raise HostError("the wafer is empty: call load() first")
        return self._engine

    def _started(self) -> Engine:
        if self._engine is None or not self._running:
            raise HostError("the wafer does not run: call load() and run() first")
        return self._engine

    def _checked(self, *given: object) -> tuple[int, int, int, int, int]:
        program, numbers = self._elaborated, [elements.whole(number) for number in given]
        x, y, width, height, count = (0 if number is None else number for number in numbers)
        if None in numbers:
            raise HostError(f"x, y, w, h and elem_per_pe are whole numbers, not {given}")
        if width < 1 or height < 1 or count < 0:
            raise HostError(f"a copy of {count} elements per PE to {width} x {height} PEs")
        if x < 0 or y < 0 or x + width > program.width or y + height > program.height:
            raise HostError(
                f"the {width} x {height} PEs from ({x}, {y}) on are not all in the program, "
                f"which has {program.width} x {program.height}"
            )
        return x, y, width, height, count

    def _stream(self, port: str | int) -> Stream:
        names = list(self._streams)
        if isinstance(port, int) and 0 <= port < len(names):
            port = names[port]
        if not isinstance(port, str) or port not in self._streams:
            raise HostError(
                f"the program has no stream {port!r}",
                help=f"it has {', '.join(names)}" if names else "SdkLayout makes streams",
            )
        return self._streams[port]

    def _color(self, color: object, known: frozenset[int]) -> int:
        number = elements.whole(color)
        if number is None or number not in known:
            raise HostError(
                f"{color!r} is no streaming color of this direction",
                help=f"known: {', '.join(map(str, sorted(known))) or 'none'}; "
                "give them to <memcpy/get_params> in the layout",
            )
        return number

    def _put(self, dest: int, x: int, y: int, tiles: Words, streaming: bool, bits: int) -> Task:
        engine = self._started()
        if streaming:
            # a word of a stream is a wavelet as it is: the high half may hold an index
            color = self._color(dest, self._elaborated.host_inputs)
            engine.send(color, x, y, np.ascontiguousarray(tiles))
            self._receipts.complete_ready(engine)
            return Task.done()
        name, element = self._exports.array(dest)
        memory = elements.to_memory(tiles, bits)
        engine.finish()
        height, width, count = memory.shape
        odd = count % element.words
        if odd:  # the last element is overwritten in part
            rest = self._read(name, element, (x, y, width, height), count - odd + element.words)
            memory = np.concatenate([memory, rest[:, :, count:]], axis=2)
        engine.write(name, x, y, elements.memory_to_values(memory, element))
        return Task.done()

    def _read(
        self, name: str, element: Scalar, rectangle: tuple[int, int, int, int], count: int
    ) -> elements.MemoryWords:
        """The first `count` words of memory [h, w, count] that an exported pointer points to."""
        engine = self._started()
        engine.finish()
        values = engine.read(name, *rectangle, -(-count // element.words))
        return elements.values_to_memory(values, element)[:, :, :count]

    def _take(
        self,
        color: int,
        rectangle: tuple[int, int, int, int],
        count: int,
        order: MemcpyOrder,
        array: Array,
        nonblock: bool,
    ) -> Task:
        def deliver(tiles: Words) -> None:
            elements.fill(array, elements.from_tiles(tiles, order))

        engine = self._started()
        task = self._receipts.add(color, rectangle, count, deliver)
        self._receipts.complete_ready(engine)
        if not nonblock:
            self._receipts.complete(engine, task)
        return task

    def _append_statistics(self, engine: Engine, file: Path) -> None:
        measured = engine.statistics()
        line = {
            "program": str(self._path),
            "engine": self._settings.engine,
            "cycles": int(measured.cycles),
            "pes": self._elaborated.width * self._elaborated.height,
            "flops": int(measured.flops),
            "wavelets": int(measured.wavelets_sent),
            "energy": asdict(energy(measured, self._artifact.machine)),
        }
        try:
            with file.open("a", encoding="utf-8") as output:
                output.write(json.dumps(line) + "\n")
        except OSError as problem:
            raise HostError(f"cannot write {file}: {problem.strerror or problem}") from None
