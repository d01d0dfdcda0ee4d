"""Expressions inside a loop nest, evaluated once for all iterations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from waferc_runtime.builtins import scalar
from waferc_runtime.builtins.math import MATH_FUNCTIONS
from waferc_runtime.csl import core
from waferc_runtime.vector.affine import (
    Affine,
    AffineDsd,
    AffinePointer,
    Cell,
    NotFoldable,
    Symbol,
    add,
    affine,
    lifted,
    plus,
)
from waferc_runtime.vector.lanes import Lanes
from waferc_runtime.vector.state import ClassState
from waferc_runtime.vector.unknown import UNKNOWN
from waferc_runtime.vector.values import PointerValue


class SymbolicExpressions:
    """Evaluates expressions in a nest; `values` are the locals, `extents` those of open loops."""

    def __init__(
        self,
        state: ClassState,
        lanes: Lanes,
        values: dict[int, Symbol],
        extents: Sequence[int],
    ) -> None:
        self._state = state
        self._lanes = lanes
        self._values = values
        self._extents = extents

    def value(self, node: core.Expr) -> Symbol:
        """The value of an expression.

        Raises:
            NotFoldable: it is not affine where it would have to be.
        """
        match node:
            case core.Const():
                return self._constant(node)
            case core.GetLocal():
                value = self._values.get(node.local.index)
                if isinstance(value, Cell):
                    return Cell(value.pointer, value.element, is_direct=False)
                return value
            case core.GetSlot():
                variable = self._state.variables[node.slot]
                if variable.kinds(self._lanes) is not None:
                    raise NotFoldable
                return variable.get(self._lanes)
            case core.AddressOf():
                index = affine(self.value(node.index))
                block = self._state.blocks[node.object]
                return AffinePointer(block, index.times(node.object.element.words))
            case core.PointerAdd():
                index = affine(self.value(node.index)).times(node.type.target.words)
                return plus(self.value(node.pointer), index)
            case core.PointerCast():
                return self.value(node.pointer)
            case core.Load():
                pointer = lifted(self.value(node.pointer))
                if not isinstance(pointer, AffinePointer):
                    raise NotFoldable
                return Cell(pointer, node.type)
            case core.UnaryExpr():
                x = self.value(node.x)
                if isinstance(x, Affine) and node.op == "neg":
                    return self._in_range(x.times(-1), node.type)
                return self._compute(scalar.unary(node.op, node.type), x)
            case core.BinaryExpr():
                return self._binary(node)
            case core.CompareExpr():
                return self._compute(
                    scalar.compare(node.op), self.value(node.lhs), self.value(node.rhs)
                )
            case core.Convert() | core.Bitcast():
                return self._change(node)
            case core.LibraryCall():
                return self._library(node)
            case core.MakeMemDsd():
                return self._memory_dsd(node)
            case core.UpdateDsd():
                return self._update(node)
            case _:
                raise NotFoldable

    def cast(self, value: Symbol, source: core.Scalar, target: core.Scalar) -> Symbol:
        """A scalar as an operand of a DSD operation on `target`."""
        if source is target:
            return value
        if isinstance(value, Cell) and source.words == target.words and source.bits == target.bits:
            return Cell(value.pointer, target, value.is_direct)
        if source.bits == target.bits:
            return self._compute(partial(scalar.bitcast, source=source, target=target), value)
        return self._compute(partial(scalar.convert, source=source, target=target), value)

    def _constant(self, node: core.Const) -> Symbol:
        value = node.value
        if isinstance(value, np.ndarray):
            if (value == value[0]).all():
                value = scalar.from_item(value[0])
            else:
                kind = node.type
                dtype = scalar.DTYPES[kind] if isinstance(kind, core.Scalar) else np.int64
                return value[self._lanes.index].astype(dtype)
        return scalar.uniform(value, node.type) if isinstance(node.type, core.Scalar) else value

    def _binary(self, node: core.BinaryExpr) -> Symbol:
        a, b = self.value(node.lhs), self.value(node.rhs)
        if not isinstance(a, Affine) and not isinstance(b, Affine):
            return self._compute(scalar.binary(node.op, node.type), a, b)
        match node.op:
            case "+":
                result = add(a, b)
            case "-":
                result = add(a, affine(b).times(-1))
            case "*":
                if isinstance(a, Affine):
                    a, b = b, a
                if isinstance(a, bool) or not isinstance(a, int):
                    raise NotFoldable
                result = affine(b).times(a)
            case _:
                raise NotFoldable
        return self._in_range(result, node.type)

    def _in_range(self, value: Affine, kind: core.Scalar) -> Affine:
        """The value, if it does not wrap anywhere."""
        low, high = value.range(self._extents)
        least = -(1 << (kind.bits - 1)) if scalar.is_signed(kind) else 0
        if low < least or high >= least + (1 << kind.bits):
            raise NotFoldable
        return value

    def _change(self, node: core.Convert | core.Bitcast) -> Symbol:
        value = self.value(node.x)
        source, target = node.x.type, node.type
        assert isinstance(source, core.Scalar)
        if isinstance(value, Affine):
            if target.is_float or target is core.Scalar.BOOL or source.is_float:
                raise NotFoldable
            return self._in_range(value, target)
        change = scalar.convert if isinstance(node, core.Convert) else scalar.bitcast
        return self._compute(partial(change, source=source, target=target), value)

    def _library(self, node: core.LibraryCall) -> Symbol:
        function = MATH_FUNCTIONS.get(node.name)
        if function is None:
            raise NotFoldable
        dtypes = [scalar.DTYPES[a.type] for a in node.arguments if isinstance(a.type, core.Scalar)]

        def compute(*values: Any) -> Any:
            arrays = [np.asarray(v, dtype) for v, dtype in zip(values, dtypes, strict=True)]
            result = function.compute(*arrays)
            return result if result.ndim else scalar.from_item(result[()])

        return self._compute(compute, *(self.value(argument) for argument in node.arguments))

    def _compute(self, function: Callable[..., Any], *operands: Symbol) -> Symbol:
        """Arithmetic on scalars that no loop changes."""
        symbolic = (Affine, AffinePointer, AffineDsd, Cell, PointerValue)
        if any(isinstance(operand, symbolic) or operand is None for operand in operands):
            raise NotFoldable
        if any(operand is UNKNOWN for operand in operands):
            return UNKNOWN
        return function(*operands)

    def _memory_dsd(self, node: core.MakeMemDsd) -> Symbol:
        base = lifted(self.value(node.base))
        parts = [self.value(part) for part in (*node.strides, *node.extents)]
        if not isinstance(base, AffinePointer):
            raise NotFoldable
        if not all(isinstance(part, int) for part in parts):
            raise NotFoldable
        count = len(node.strides)
        return AffineDsd(base.block, base.words, tuple(parts[:count]), tuple(parts[count:]))

    def _update(self, node: core.UpdateDsd) -> Symbol:
        dsd = lifted(self.value(node.dsd))
        value = self.value(node.value)
        if not isinstance(dsd, AffineDsd):
            raise NotFoldable
        match node.property:
            case "offset":
                size = (node.element or core.Scalar.U16).words
                return plus(dsd, affine(value).times(size))
            case "base":
                pointer = lifted(value)
                if not isinstance(pointer, AffinePointer):
                    raise NotFoldable
                return AffineDsd(pointer.block, pointer.words, dsd.strides, dsd.extents)
            case "length" if isinstance(value, int):
                return AffineDsd(dsd.block, dsd.words, dsd.strides[:1], (value,))
            case "stride" if isinstance(value, int):
                return AffineDsd(dsd.block, dsd.words, (value,), dsd.extents)
            case _:
                raise NotFoldable
