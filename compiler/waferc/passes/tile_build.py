"""Writing a tiled program: operations in the chosen layouts, relayouts and masks where needed."""

from __future__ import annotations

from collections.abc import Sequence

from waferc.analysis.padding import Padding, tiled
from waferc.layouts.families import FAMILIES
from waferc.layouts.relayout import Cut, Relayouts
from waferc.layouts.strategy import Strategy, tensor
from waferc_ir.diagnostics import Location
from waferc_ir.entries import Marker
from waferc_ir.ops import (
    collective,
    graph_move,
    graph_structure,
    stream,
    tile_compute,
    tile_move,
    tile_structure,
)
from waferc_ir.ops.declare import Op
from waferc_ir.program import Statement, Value
from waferc_ir.types import Layout, TensorType


class TiledWriter:
    """The statements of a tiled program that is being written, with their padding.

    Equal operations on equal values are written once: a relayout that two readers need is shared.
    Entries are written in any order, in turns; weights and states become common to them.
    """

    def __init__(self, padding: Padding, entries: Sequence[Marker]) -> None:
        """A writer of entries that begin with these; none are a program without markers."""
        self.padding = padding
        self._entries = entries
        self._common: list[Statement] = []
        self._bodies: list[list[Statement]] = [[] for _ in entries] or [self._common]
        self._stores: list[list[Statement]] = [[] for _ in self._bodies]  # of all regions, last
        self._masked: list[dict[tuple[Value, float], Value]] = [{} for _ in self._bodies]
        self._entry = 0

    def enter(self, entry: int) -> None:
        """Go on with an entry, by number."""
        self._entry = entry

    def statements(self) -> tuple[Statement, ...]:
        """All statements, entry by entry."""
        found = [*self._common] if self._entries else []
        for number, body in enumerate(self._bodies):
            if self._entries:
                marker = self._entries[number]
                found.append(Statement(tile_structure.Entry(marker.label, marker.calls), None))
            found += [*body, *self._stores[number]]
        return tuple(found)

    def add(self, op: Op, at: Location | None) -> Value:
        """Append an operation, after masks for what its operands' padding must hold."""
        return self._append(self.prepared(op, at), at)

    def prepared(self, op: Op, at: Location | None) -> Op:
        """The operation on operands whose padding holds what it needs."""
        for value, wanted in self.padding.needs(op).items():
            key, masked = (value, wanted), self._masked[self._entry]
            if key not in masked:
                masked[key] = self._append(tile_compute.MaskPadding(value, wanted), at)
            op = op.with_operands({value: masked[key]})
        return op

    def effect(self, op: Op, at: Location | None) -> None:
        """Append an operation without a result."""
        is_store = isinstance(op, tile_structure.Store)
        body = self._stores if is_store else self._bodies
        body[self._entry].append(Statement(op, None, at))

    def _append(self, op: Op, at: Location | None) -> Value:
        result = op.result_type()
        assert result is not None, op.name
        value = Value(result)
        self.padding.add(op, value)
        is_common = isinstance(op, tile_structure.State)
        body = self._common if is_common else self._bodies[self._entry]
        body.append(Statement(op, value, at))
        return value


class RegionWriter:
    """Writes the operations of one region; knows in which layouts graph values are at hand."""

    def __init__(self, region: str, writer: TiledWriter, relayouts: Relayouts) -> None:
        self.region = region
        self.writer = writer
        self.relayouts = relayouts
        self.free: dict[Value, Statement] = {}
        self.versions: dict[Value, dict[Layout, Value]] = {}
        self.homes: dict[Value, Value] = {}  # states, of the graph and here
        self.views: dict[Value, Value] = {}  # reshapes, and what they show

    def declare(self, statement: Statement) -> None:
        """Make a weight or a fill known: it appears in the layouts that are asked for.

        A weight may be declared once more, for another entry.
        """
        assert statement.result is not None
        self.free[statement.result] = statement
        if isinstance(statement.op, graph_structure.Fill):
            self.versions[statement.result] = {}
        self.versions.setdefault(statement.result, {})

    def input(self, statement: Statement, layout: Layout) -> None:
        """Write an input or a state, in its layout; a state once for all entries."""
        op, result = statement.op, statement.result
        assert isinstance(op, graph_structure.Input | graph_structure.State)
        assert result is not None
        if result in self.homes:
            self.versions[result] = {layout: self.homes[result]}
            return
        tile_op: Op
        if isinstance(op, graph_structure.State):
            tile_op = tile_structure.State(
                op.label, op.shape, op.dtype, self.region, layout, mutable=True, spread=op.spread
            )
        else:
            tile_op = tile_structure.Input(op.label, op.shape, op.dtype, self.region, layout)
        value = self.writer.add(tile_op, statement.at)
        self.versions[result] = {layout: value}
        if isinstance(op, graph_structure.State):
            self.homes[result] = value

    def store(self, statement: Statement) -> Op:
        """Write what a store needs; the store itself, of a value in its state's layout."""
        op, at = statement.op, statement.at
        assert isinstance(op, graph_structure.Store)
        state = self.homes[op.state]
        x = self._detached(self.value(op.x, tiled(state).layout, at), at, but=state)
        return self.writer.prepared(tile_structure.Store(state, x), at)

    def _detached(self, value: Value, at: Location | None, but: Value | None = None) -> Value:
        """A copy of what is a state or a view of one, as a store will change that."""
        source = value
        while source in self.views:
            source = self.views[source]
        if source is but or source not in self.homes.values():
            return value
        given = tiled(value)
        whole = [dim for dim, split in enumerate(given.layout.splits) if split is None]
        if whole:
            return self.writer.add(tile_move.Concat((value,), whole[0]), at)
        value = self.writer.add(tile_move.Reshape(value, (1, *given.shape)), at)
        value = self.writer.add(tile_move.Concat((value,), 0), at)
        return self.writer.add(tile_move.Reshape(value, given.shape), at)

    def compute(self, statement: Statement, strategy: Strategy) -> None:
        """Write an operation: its operands' relayouts, itself, and the end of partial results."""
        op, result, at = statement.op, statement.result, statement.at
        assert result is not None
        operands = tuple(
            self.value(operand, layout, at)
            for operand, layout in zip(op.operands(), strategy.operands, strict=True)
        )
        lower = strategy.lower or FAMILIES[type(op)].lower
        value = self.writer.add(lower(op, operands), at)
        for partial in tiled(value).layout.partial:
            value = self.writer.add(collective.AllReduce(value, partial.axis), at)
        shape = tensor(result).shape
        if tiled(value).shape != shape:
            value = self.writer.add(tile_move.Reshape(value, shape), at)
        assert tiled(value).layout == strategy.result, op.name
        if isinstance(op, graph_move.Reshape):
            self.views[value] = operands[0]
        self.versions[result] = {strategy.result: value}

    def receive(self, value: Value, source: RegionWriter, layout: Layout, *, apart: bool) -> None:
        """Write the stream that brings a value here from another region.

        Of what comes from a wafer `apart` the host reads at the end of the call what it is.
        """
        there = source.value(value, layout, None)
        if apart:
            there = source._detached(there, None)
        self.versions[value] = {layout: self.writer.add(stream.Transfer(there, self.region), None)}

    def output(self, statement: Statement) -> None:
        """Write an output, in the layout in which its value is at hand."""
        op = statement.op
        assert isinstance(op, graph_structure.Output)
        versions = self.versions[op.x]
        layout = next(iter(versions), Layout((None,) * tensor(op.x).rank))
        x = self.value(op.x, layout, statement.at)
        x = self._detached(x, statement.at)
        self.writer.effect(tile_structure.Output(x, op.label), statement.at)

    def value(self, value: Value, layout: Layout, at: Location | None) -> Value:
        """A graph value in a layout: at hand, put in place by the host, or relaid."""
        versions = self.versions[value]
        if layout not in versions and value in self.free:
            source = self.free[value]
            versions[layout] = self.writer.add(self._free(source.op, layout), source.at)
        if layout not in versions:
            self._relay(value, versions, layout, at)
        return versions[layout]

    def _free(self, op: Op, layout: Layout) -> Op:
        if isinstance(op, graph_structure.Fill):
            return tile_structure.Fill(op.value, op.shape, op.dtype, self.region, layout)
        assert isinstance(op, graph_structure.Parameter)
        return tile_structure.State(op.label, op.shape, op.dtype, self.region, layout)

    def _relay(
        self, value: Value, versions: dict[Layout, Value], layout: Layout, at: Location | None
    ) -> None:
        given: TensorType = tensor(value)
        plans = [
            (self.relayouts.find(given.shape, given.dtype, have, layout), have) for have in versions
        ]
        plan, start = min(plans, key=lambda entry: entry[0].cycles)
        current = versions[start]
        for step in plan.steps:
            if isinstance(step, Cut):
                op: Op = tile_move.Shard(current, step.dim, step.split.axis, step.split.block)
            else:
                op = collective.AllGather(current, step.axis)
            current = self.writer.add(op, at)
            # a stop on the way serves later readers too, but not instead of a better home
            versions.setdefault(tiled(current).layout, current)
