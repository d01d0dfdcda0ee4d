"""Expressions as Python closures over a group, each with its cycles.

A closure returns a uniform value or an array with one entry per PE of the group. Operands that
are only sometimes evaluated (`and`, `or`, `if`) spend their cycles when they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from waferc_ir.machine import Machine
from waferc_runtime.builtins import scalar
from waferc_runtime.builtins.math import MATH_FUNCTIONS
from waferc_runtime.builtins.timing import expression_cycles, is_constant
from waferc_runtime.builtins.walk import contains_call
from waferc_runtime.csl import core
from waferc_runtime.vector.group import Group
from waferc_runtime.vector.lanes import all_lanes, is_array
from waferc_runtime.vector.operation import Misuse
from waferc_runtime.vector.state import ClassState
from waferc_runtime.vector.unknown import UNKNOWN, strict
from waferc_runtime.vector.values import (
    FabricDsd,
    FifoDsd,
    MemoryDsd,
    PointerValue,
    RunValue,
    merge,
    wide,
)

Closure = Callable[[Group], RunValue]
Compiled = tuple[Closure, int]  # with the cycles that are always spent


class Expressions:
    """Compiles the expressions of one class; calls of functions are left to `call`."""

    def __init__(
        self,
        state: ClassState,
        machine: Machine,
        call: Callable[[core.Call], Closure],
        branch: Callable[[core.LogicExpr | core.SelectExpr], Closure],
        reads: Callable[[core.Slot], None],
        register: Callable[[Group, RunValue], RunValue],
    ) -> None:
        self._state = state
        self._machine = machine
        self._call = call
        self._branch = branch
        self._reads = reads
        self._register = register

    def compile(self, node: core.Expr) -> Compiled:
        """The closure of an expression and its cycles."""
        own = expression_cycles(node, self._machine)
        match node:
            case core.Const():
                return self._constant(node), 0
            case core.GetLocal():
                index = node.local.index
                return lambda g: g.frames[-1].locals[index], 0
            case core.GetSlot():
                self._reads(node.slot)
                variable = self._state.variables[node.slot]
                return lambda g: variable.get(g.lanes), 0
            case core.AddressOf():
                return self._address(node)
            case core.PointerAdd():
                pointer, cost = self.compile(node.pointer)
                index, index_cost = self.compile(node.index)
                size = node.type.target.words
                return lambda g: pointer(g).moved(wide(index(g)) * size), cost + index_cost
            case core.PointerCast():
                return self.compile(node.pointer)
            case core.Load():
                pointer, cost = self.compile(node.pointer)
                return _load(pointer, node.type), cost + own
            case core.UnaryExpr():
                x, cost = self.compile(node.x)
                function = self._total(scalar.unary(node.op, node.type))
                return lambda g: function(x(g)), cost + own
            case core.BinaryExpr():
                return self._binary(scalar.binary(node.op, node.type), node.lhs, node.rhs, own)
            case core.CompareExpr():
                return self._binary(scalar.compare(node.op), node.lhs, node.rhs, own)
            case core.LogicExpr():
                if contains_call(node.rhs):
                    return self._branch(node), 0
                return self._logic(node, own)
            case core.SelectExpr():
                scalar_type = isinstance(node.type, core.Scalar)
                if not scalar_type or contains_call(node.lhs) or contains_call(node.rhs):
                    return self._branch(node), 0
                return self._select(node, own)
            case core.Convert() | core.Bitcast():
                x, cost = self.compile(node.x)
                source, target = node.x.type, node.type
                if isinstance(source, core.Handle):
                    source = core.Scalar.U16
                assert isinstance(source, core.Scalar)
                convert = scalar.convert if isinstance(node, core.Convert) else scalar.bitcast
                change = self._total(convert)
                return lambda g: change(x(g), source, target), cost + own
            case core.Call():
                return self._call(node), 0
            case core.LibraryCall():
                return self._library(node, own)
            case core.MakeMemDsd():
                return self._memory_dsd(node, own)
            case core.MakeFabDsd():
                return self._fabric_dsd(node, own)
            case core.UpdateDsd():
                return self._update(node, own)
            case core.FifoValue():
                fifo = FifoDsd(node.fifo)
                return lambda g: fifo, 0
            case core.GetConfig():
                address, cost = self.compile(node.address)
                return lambda g: self._register(g, address(g)), cost + own

    def operand(self, node: core.Expr, element: core.Scalar) -> Compiled:
        """An operand of a DSD operation: scalars are brought to the operation's element type."""
        closure, cost = self.compile(node)
        source = node.type
        if not isinstance(source, core.Scalar) or source is element:
            return closure, cost
        change = self._total(scalar.bitcast if source.bits == element.bits else scalar.convert)
        return lambda g: change(closure(g), source, element), cost

    def _total(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function for all numbers that there are: without data some are unknown."""
        return function if self._state.has_data else strict(function)

    def _constant(self, node: core.Const) -> Closure:
        value = node.value
        kind = node.type
        if isinstance(value, np.ndarray):
            if len(value) and (value == value[0]).all():
                value = scalar.from_item(value[0])
            else:
                dtype = scalar.DTYPES[kind] if isinstance(kind, core.Scalar) else np.int64
                lanes = value.astype(dtype)
                return lambda g: lanes if g.lanes.is_all else lanes[g.lanes.index]
        single = scalar.uniform(value, kind) if isinstance(kind, core.Scalar) else int(value)
        return lambda g: single

    def _address(self, node: core.AddressOf) -> Compiled:
        block = self._state.blocks[node.object]
        size = node.object.element.words
        index, cost = self.compile(node.index)
        if isinstance(node.index, core.Const) and not isinstance(node.index.value, np.ndarray):
            fixed = PointerValue(block, int(node.index.value) * size)
            return lambda g: fixed, cost
        return lambda g: PointerValue(block, wide(index(g)) * size), cost

    def _binary(
        self, function: Callable[[Any, Any], Any], lhs: core.Expr, rhs: core.Expr, own: int
    ) -> Compiled:
        a, a_cost = self.compile(lhs)
        b, b_cost = self.compile(rhs)
        function = self._total(function)
        return lambda g: function(a(g), b(g)), a_cost + b_cost + own

    def _logic(self, node: core.LogicExpr, own: int) -> Compiled:
        lhs, cost = self.compile(node.lhs)
        rhs, rhs_cost = self.compile(node.rhs)
        is_or = node.op == "or"

        def evaluate(g: Group) -> RunValue:
            a = lhs(g)
            if is_array(a):
                needed = np.flatnonzero(a != is_or)
                if not len(needed):
                    return a
                if len(needed) < len(a):
                    result = a.copy()
                    result[needed] = _on_part(g, needed, rhs, rhs_cost)
                    return result
            elif bool(a) == is_or:
                return a
            g.spend(rhs_cost)
            return rhs(g)

        return evaluate, cost + own

    def _select(self, node: core.SelectExpr, own: int) -> Compiled:
        condition, cost = self.compile(node.condition)
        (yes, yes_cost), (no, no_cost) = self.compile(node.lhs), self.compile(node.rhs)

        def evaluate(g: Group) -> RunValue:
            chosen = condition(g)
            if is_array(chosen):
                first, second = np.flatnonzero(chosen), np.flatnonzero(~chosen)
                if len(first) and len(second):
                    values = [
                        _on_part(g, first, yes, yes_cost),
                        _on_part(g, second, no, no_cost),
                    ]
                    order = np.argsort(np.concatenate([first, second]))
                    return merge(values, [len(first), len(second)], order)
                chosen = bool(len(first))
            g.spend(yes_cost if chosen else no_cost)
            return yes(g) if chosen else no(g)

        return evaluate, cost + own

    def _library(self, node: core.LibraryCall, own: int) -> Compiled:
        arguments = [self.compile(argument) for argument in node.arguments]
        cost = own + sum(cost for _, cost in arguments)
        closures = [closure for closure, _ in arguments]
        function = MATH_FUNCTIONS.get(node.name)
        program = self._state.program
        if function is not None:
            types = [argument.type for argument in node.arguments]

            def compute(g: Group) -> RunValue:
                values = [closure(g) for closure in closures]
                if any(value is UNKNOWN for value in values):
                    return UNKNOWN
                arrays = [
                    scalar.to_array(value, kind)
                    for value, kind in zip(values, types, strict=True)
                    if isinstance(kind, core.Scalar)
                ]
                result = function.compute(*arrays)
                return result if result.ndim else scalar.from_item(result[()])

            return compute, cost
        match node.name:
            case "layout.get_x_coord":
                return lambda g: program.x[g.lanes.index].astype(np.uint16), cost
            case "layout.get_y_coord":
                return lambda g: program.y[g.lanes.index].astype(np.uint16), cost
            case "memcpy.unblock_cmd_stream":
                return _unblock_commands, cost
            case "time.enable_tsc" | "time.disable_tsc":
                return lambda g: None, cost
            case "time.reset_tsc_counter":
                return _reset_timestamp, cost
            case "time.get_timestamp":
                return lambda g: _timestamp(g, closures[0](g)), cost
            case "random.next16":
                return lambda g: g.state.generators.next16(g.lanes.index), cost
            case "random.set_active":
                return lambda g: g.state.generators.set_active(g.lanes.index, closures[0](g)), cost
            case "random.set_seed":
                return lambda g: g.state.generators.set_seed(g.lanes.index, closures[0](g)), cost
            case _:
                name = node.name

                def refuse(g: Group) -> RunValue:
                    raise Misuse(f"{name} is called, which is not supported")

                return refuse, cost

    def _memory_dsd(self, node: core.MakeMemDsd, own: int) -> Compiled:
        base, cost = self.compile(node.base)
        strides = [self.compile(stride) for stride in node.strides]
        extents = [self.compile(extent) for extent in node.extents]
        cost += own + sum(part[1] for part in (*strides, *extents))

        def make(g: Group) -> MemoryDsd:
            pointer = base(g)
            return MemoryDsd(
                pointer.block,
                pointer.words,
                tuple([wide(stride(g)) for stride, _ in strides]),
                tuple([wide(extent(g)) for extent, _ in extents]),
                node.takes_index,
            )

        if is_constant(node):
            whole = make(group_of_all(self._state))
            if not any(isinstance(x, np.ndarray) for x in (whole.words, *whole.strides,
                                                           *whole.extents)):  # fmt: skip
                return lambda g: whole, cost
        return make, cost

    def _fabric_dsd(self, node: core.MakeFabDsd, own: int) -> Compiled:
        extent, cost = self.compile(node.extent)
        queue: int | None = None
        if node.queue is not None:
            value = self.compile(node.queue)[0](group_of_all(self._state))
            if isinstance(value, np.ndarray):
                raise Misuse("the queue of a fabric DSD differs between PEs")
            queue = int(value)
        kind = "fabin" if node.type.kind == "fabin" else "fabout"
        packed = node.simd != "off"
        control, advance = node.control, node.advance_switch
        color = self._color(node, queue)

        def make(g: Group) -> FabricDsd:
            here = color(g)
            if here is None:
                raise Misuse("a fabric DSD has no color")
            if node.control_transform:
                raise Misuse("a fabric DSD with control_transform is not supported")
            return FabricDsd(
                kind,
                queue,
                here,
                wide(extent(g)),
                packed,
                control,
                advance,
                node.takes_index,
                node.color is None,
            )

        return make, cost + own

    def _color(self, node: core.MakeFabDsd, queue: int | None) -> Closure:
        if node.color is not None:
            return self.compile(node.color)[0]
        if queue is None:
            return lambda g: None
        number = queue
        queues = self._state.queues
        side = "fabin" if node.type.kind == "fabin" else "fabout"
        return lambda g: queues.color(side, number, g.lanes)

    def _update(self, node: core.UpdateDsd, own: int) -> Compiled:
        dsd, cost = self.compile(node.dsd)
        value, value_cost = self.compile(node.value)
        name = node.property
        size = (node.element or core.Scalar.U16).words

        def update(g: Group) -> RunValue:
            return updated(dsd(g), name, value(g), size)

        return update, cost + value_cost + own


def constant_value(state: ClassState, machine: Machine, node: core.Expr) -> RunValue:
    """The value of a constant expression, for all PEs of a class.

    Raises:
        Misuse: it is not constant.
    """

    def refuse(part: core.Expr) -> Closure:
        raise Misuse(f"{type(part).__name__} is evaluated")

    def no_register(group: Group, address: RunValue) -> RunValue:
        raise Misuse("@get_config is evaluated")

    everyone = group_of_all(state)
    expressions = Expressions(state, machine, refuse, refuse, lambda slot: None, no_register)
    return expressions.compile(node)[0](everyone)


def group_of_all(state: ClassState) -> Group:
    """A group of all PEs, to evaluate constants on."""
    zero = np.zeros(state.count, np.int64)
    return Group(state, all_lanes(state.count), zero, zero, [])


def updated(old: RunValue, name: str, value: RunValue, size: int) -> RunValue:
    """A DSD with a property changed; an offset counts elements of `size` words.

    Raises:
        Misuse: the DSD has no such property.
    """
    match old:
        case FabricDsd() if name == "length":
            return replace(old, extent=wide(value))
        case MemoryDsd():
            match name:
                case "offset":
                    return replace(old, words=wide(old.words) + wide(value) * size)
                case "base":
                    return replace(old, block=value.block, words=value.words)
                case "length":
                    return replace(old, strides=old.strides[:1], extents=(wide(value),))
                case _:
                    return replace(old, strides=(wide(value),))
        case _:
            raise Misuse(f"the {name} of a DSD that has none is set")


def _load(pointer: Closure, element: core.Scalar) -> Closure:
    def load(g: Group) -> RunValue:
        target = pointer(g)
        return target.block.load(target.words, element, g.lanes)

    return load


def _on_part(g: Group, positions: Any, closure: Closure, cost: int) -> RunValue:
    """The value of a closure for some PEs of a group; its cycles are spent by those alone."""
    part = g.at(positions, g.pc)
    part.spend(cost)
    value = closure(part)
    part.settle()
    spent = np.zeros(g.lanes.count, np.int64)
    spent[positions] = part.clock - g.clock[positions]
    g.spend(spent)
    return value


def _unblock_commands(g: Group) -> RunValue:
    g.state.holds_commands[g.lanes.index] = False
    return None


def _reset_timestamp(g: Group) -> RunValue:
    g.settle()
    g.state.timestamp_zero[g.lanes.index] = g.clock
    return None


def _timestamp(g: Group, pointer: PointerValue) -> RunValue:
    g.settle()
    elapsed = g.clock - g.state.timestamp_zero[g.lanes.index]
    for part in range(3):
        value = ((elapsed >> (16 * part)) & 0xFFFF).astype(np.uint16)
        pointer.block.store(wide(pointer.words) + part, core.Scalar.U16, g.lanes, value)
    return None
