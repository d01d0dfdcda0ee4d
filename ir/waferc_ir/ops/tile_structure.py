"""Tiled operations that bring tensors into a region and take them out."""

from __future__ import annotations

from waferc_ir.dtypes import DType
from waferc_ir.ops.declare import Op
from waferc_ir.ops.functions import representable
from waferc_ir.ops.layouts import declared_layout, tiled
from waferc_ir.ops.shapes import declared_label, declared_shape, declared_spread
from waferc_ir.program import Value
from waferc_ir.types import Layout, RegionName, TiledType


class Input(Op, name="tile.input"):
    """An input of the model: the host writes the tiles before each call (padding is zero)."""

    label: str
    shape: tuple[int, ...]
    dtype: DType
    region: RegionName
    layout: Layout

    def result_type(self) -> TiledType:
        declared_label(self, self.label)
        shape = declared_shape(self, self.shape)
        return TiledType(shape, self.dtype, self.region, declared_layout(self, shape, self.layout))


class State(Op, name="tile.state"):
    """A weight or state: the host writes the tiles once; they outlive calls. Padding is zero.

    A `mutable` one may be stored to; its result is what it holds at the beginning of a call.
    Dimensions in `spread` are in the order of `waferc_ir.spread`, as `graph.state` says.
    """

    label: str
    shape: tuple[int, ...]
    dtype: DType
    region: RegionName
    layout: Layout
    mutable: bool = False
    spread: tuple[int, ...] = ()

    def result_type(self) -> TiledType:
        declared_label(self, self.label)
        declared_spread(self, self.spread, self.shape)
        shape = declared_shape(self, self.shape)
        return TiledType(shape, self.dtype, self.region, declared_layout(self, shape, self.layout))


class Store(Op, name="tile.store", results=0):
    """At the end of the call `state` becomes `x`, which has its layout; `state` is not read.

    The padding of `x` is zero.
    """

    state: Value
    x: Value

    def result_type(self) -> None:
        state, x = tiled(self, self.state, "state"), tiled(self, self.x, "x")
        self.require(state == x, f"a state of type {state} cannot become {x}")


class Fill(Op, name="tile.fill"):
    """Every element of every tile, padding included, is `value`."""

    value: float
    shape: tuple[int, ...]
    dtype: DType
    region: RegionName
    layout: Layout

    def result_type(self) -> TiledType:
        representable(self, self.value, self.dtype)
        shape = declared_shape(self, self.shape)
        return TiledType(shape, self.dtype, self.region, declared_layout(self, shape, self.layout))


class Entry(Op, name="tile.entry", results=0):
    """Here begins an entry: what the host calls by `label`. It ends where the next one begins.

    `calls` says how often it is expected to be called, beside the other entries.
    """

    label: str
    calls: int = 1

    def result_type(self) -> None:
        declared_label(self, self.label)
        self.require(self.calls > 0, f"an entry is called {self.calls} times")


class Output(Op, name="tile.output", results=0):
    """An output of the model: the host reads one replica, without the padding."""

    x: Value
    label: str

    def result_type(self) -> None:
        declared_label(self, self.label)
        tiled(self, self.x, "x", anywhere=True)
