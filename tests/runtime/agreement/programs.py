"""Short ways to build core programs by hand: one class, PEs on a grid, colors on routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.csl import core
from waferc_runtime.csl.core import EAST, NORTH, RAMP, SOUTH, WEST, Scalar

OPPOSITE = {EAST: WEST, WEST: EAST, NORTH: SOUTH, SOUTH: NORTH}
STEP = {EAST: (1, 0), WEST: (-1, 0), NORTH: (0, -1), SOUTH: (0, 1)}
MEMORY_DSD = core.Dsd("mem1d")

Lanes = NDArray[np.generic]


def u16(value: int | Lanes) -> core.Const:
    return core.Const(Scalar.U16, value)


def f32(value: float) -> core.Const:
    return core.Const(Scalar.F32, value)


def truth(value: Lanes) -> core.Const:
    return core.Const(Scalar.BOOL, value)


class RouteBook:
    """Collects routes: paths that start at a ramp, turn and fork, and end at ramps."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.routes: dict[int, core.Routes] = {}

    def add(self, color: int, x: int, y: int, rx: int, tx: int) -> None:
        if color not in self.routes:
            shape = self.height, self.width
            self.routes[color] = core.Routes(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))
        self.routes[color].rx[y, x] |= rx
        self.routes[color].tx[y, x] |= tx

    def line(
        self, color: int, x: int, y: int, direction: int, length: int, drop: bool = False
    ) -> None:
        """A straight path of `length` hops; with `drop` every PE on it gets the words."""
        self.add(color, x, y, RAMP, direction)
        dx, dy = STEP[direction]
        for hop in range(1, length + 1):
            is_last = hop == length
            tx = (0 if is_last else direction) | (RAMP if drop or is_last else 0)
            self.add(color, x + hop * dx, y + hop * dy, OPPOSITE[direction], tx)


class Tile:
    """A class of PEs on the whole grid, with its variables, functions and tasks."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.count = width * height
        ys, xs = np.divmod(np.arange(self.count), width)
        self.x: NDArray[np.int32] = xs.astype(np.int32)
        self.y: NDArray[np.int32] = ys.astype(np.int32)
        self.objects: list[core.MemoryObject] = []
        self.slots: list[core.Slot] = []
        self.functions: list[core.Function] = []
        self.tasks: list[core.TaskBinding] = []
        self.exports: dict[str, core.Export] = {}
        self.activated: set[int] = set()
        self.blocked: set[int] = set()
        self.input_queues: dict[int, int | Lanes] = {}
        self.output_queues: dict[int, int | Lanes] = {}
        self._next_word = 0

    def array(
        self, name: str, count: int, initial: Lanes | float | None = None, kind: Scalar = Scalar.F32
    ) -> core.MemoryObject:
        """An exported array."""
        item = core.MemoryObject(name, kind, count, initial, self._next_word)
        self._next_word += count * kind.words + count * kind.words % 2
        self.objects.append(item)
        slot = core.Slot(name, core.Pointer(kind, True), self.pointer(item))
        self.slots.append(slot)
        self.exports[name] = core.Export(name, slot)
        return item

    def pointer(self, item: core.MemoryObject, index: core.Expr | int = 0) -> core.AddressOf:
        where = u16(index) if isinstance(index, int) else index
        return core.AddressOf(core.Pointer(item.element, True), item, where)

    def memory(
        self,
        item: core.MemoryObject,
        extent: core.Expr | int | None = None,
        stride: int = 1,
        offset: core.Expr | int = 0,
    ) -> core.MakeMemDsd:
        count = item.count if extent is None else extent
        return core.MakeMemDsd(
            MEMORY_DSD,
            self.pointer(item, offset),
            (core.Const(Scalar.I16, stride),),
            (u16(count) if isinstance(count, int) else count,),
        )

    def fabin(self, color: int | Lanes, queue: int, extent: int) -> core.MakeFabDsd:
        self.input_queues.setdefault(queue, color)
        return self._fabric("fabin", color, core.Handle.INPUT_QUEUE, queue, extent)

    def fabout(self, color: int | Lanes, queue: int, extent: int) -> core.MakeFabDsd:
        self.output_queues.setdefault(queue, color)
        return self._fabric("fabout", color, core.Handle.OUTPUT_QUEUE, queue, extent)

    def _fabric(
        self, kind: str, color: int | Lanes, handle: core.Handle, queue: int, extent: int
    ) -> core.MakeFabDsd:
        return core.MakeFabDsd(
            core.Dsd("fabin" if kind == "fabin" else "fabout"),
            core.Const(handle, queue),
            core.Const(core.Handle.COLOR, color),
            u16(extent),
        )

    def function(
        self, name: str, body: list[core.Stmt], locals: Sequence[core.Local] = ()
    ) -> core.Function:
        """An exported function without parameters."""
        made = core.Function(name, [], list(locals), core.Void(), body)
        self.functions.append(made)
        self.exports[name] = core.Export(name, made)
        return made

    def task(self, number: int, name: str, body: list[core.Stmt]) -> core.Function:
        """A local task."""
        made = core.Function(name, [], [], core.Void(), body)
        self.functions.append(made)
        self.tasks.append(core.TaskBinding("local", number, made))
        return made

    def data_task(
        self, number: int, name: str, build: Callable[[core.Local], list[core.Stmt]]
    ) -> core.Function:
        """A data task with one f32 argument; `number` is a color (wse2) or a queue (wse3)."""
        word = core.Local("word", Scalar.F32, 0)
        made = core.Function(name, [word], [word], core.Void(), build(word))
        self.functions.append(made)
        self.tasks.append(core.TaskBinding("data", number, made))
        return made

    def pe_class(self, lanes: NDArray[np.intp] | None = None) -> core.PEClass:
        """The class, on the PEs `lanes` (all if None)."""
        chosen = np.arange(self.count) if lanes is None else lanes
        return core.PEClass(
            "pe.csl",
            self.x[chosen],
            self.y[chosen],
            self.objects,
            self.slots,
            self.functions,
            self.tasks,
            frozenset(self.activated),
            frozenset(self.blocked),
            self.input_queues,
            self.output_queues,
            self.exports,
        )

    def elaborated(
        self, routes: Mapping[int, core.Routes] | RouteBook, arch: str = "wse2"
    ) -> core.Elaborated:
        table = routes.routes if isinstance(routes, RouteBook) else routes
        return core.Elaborated(
            "wse3" if arch == "wse3" else "wse2",
            self.width,
            self.height,
            [self.pe_class()],
            table,
            {},
        )


def dsd(
    op: str,
    dest: core.Expr,
    *sources: core.Expr,
    activate: int | None = None,
    unblock: int | None = None,
    is_async: bool = False,
    microthread: int | None = None,
) -> core.DsdOperation:
    config = core.DsdConfig(is_async, activate, unblock, microthread)
    return core.DsdOperation(op, dest, sources, config)


def activate(task: int) -> core.TaskControl:
    return core.TaskControl("activate", core.Const(core.Handle.LOCAL_TASK, task))


def unblock_commands() -> core.Evaluate:
    return core.Evaluate(core.LibraryCall(core.Void(), "memcpy.unblock_cmd_stream", ()))
