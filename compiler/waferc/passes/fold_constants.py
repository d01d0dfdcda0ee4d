"""Evaluates what depends on no input."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from waferc.evaluate.graph import evaluate_operation
from waferc.passes.base import Pass
from waferc.unit import Unit
from waferc_ir.diagnostics import Location
from waferc_ir.entries import is_marker, markers
from waferc_ir.ops.declare import Op
from waferc_ir.ops.graph_move import Expand
from waferc_ir.ops.graph_structure import Fill, Input, Output, Parameter, State
from waferc_ir.program import Builder, Program, Statement, Value
from waferc_ir.types import TensorType

Array = NDArray[Any]


@dataclass(frozen=True)
class FoldConstants(Pass):
    """Evaluate operations that depend on no input; their results become parameters or fills.

    A result of more than `limit` elements is folded only if it is no larger than what it is
    computed from. What is expanded stays expanded at run time, as broadcasting costs no memory.
    In a program of several entries parameters become common to all, equal new ones are one.
    What comes from parameters without data is folded alike, to parameters without data.
    """

    name: ClassVar[str] = "fold-constants"
    limit: int = 1 << 20  # elements

    def run(self, unit: Unit) -> Unit:
        known = self._known(unit)
        wanted = _wanted(unit.program, known)
        labels = _Labels(unit.program)
        weights = dict(unit.weights)
        writing = _Writing(unit.program)
        values: dict[Value, Value] = {}
        for statement in unit.program.statements:
            labels.note(statement)
            op, result = statement.op, statement.result
            if result is None:
                writing.effect(op.with_operands(values), statement.at)
            elif result in wanted.folded:
                array = known[result]
                values[result] = writing.same(array) or writing.add(
                    _constant(result, array, labels, weights), statement.at, array
                )
            elif result not in known or result in wanted.kept:
                array = known.get(result) if isinstance(op, Parameter) else None
                values[result] = writing.same(array) or writing.add(
                    op.with_operands(values), statement.at, array
                )
        program = unit.program.with_statements(writing.statements)
        return replace(unit, program=program, weights=weights)

    def _known(self, unit: Unit) -> dict[Value, Array | None]:
        """Arrays of all values that depend on no input; None where data are missing."""
        known: dict[Value, Array | None] = {}
        arrays: dict[Value, Array] = {}
        for statement in unit.program.statements:
            op, result = statement.op, statement.result
            if result is None or isinstance(op, Input | State):
                continue
            if isinstance(op, Parameter):
                known[result] = unit.weights.get(op.label)
            elif isinstance(op, Fill):
                number = np.full((), op.value, op.dtype.numpy)
                known[result] = np.broadcast_to(number, op.shape)
            elif all(operand in known for operand in op.operands()) and self._is_small(op, result):
                at_hand = all(operand in arrays for operand in op.operands())
                known[result] = evaluate_operation(op, arrays) if at_hand else None
            array = known.get(result)
            if array is not None:
                arrays[result] = array
        return known

    def _is_small(self, op: Any, result: Value) -> bool:
        sources = sum(_elements(operand) for operand in op.operands())
        return _elements(result) <= max(self.limit, sources)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Known values that the program still reads: stated as they were, or as new constants."""

    kept: set[Value]
    folded: set[Value]


class _Writing:
    """The program that comes out. Entries have their parameters before the first of them."""

    def __init__(self, program: Program) -> None:
        self._front, self._body = Builder(), Builder()
        self._has_entries = any(markers(program))
        self._in_entry = False
        self._made: dict[object, Value] = {}  # parameters that stood in entries, by content

    @property
    def statements(self) -> list[Statement]:
        """All statements in order."""
        return [*self._front.statements, *self._body.statements]

    def effect(self, op: Op, at: Location | None) -> None:
        """Append an operation without a result."""
        self._in_entry = self._in_entry or is_marker(op)
        self._body.effect(op, at)

    def same(self, array: Array | None) -> Value | None:
        """The parameter that another statement of an entry became and that holds `array`."""
        return self._made.get(_content(array)) if self._in_entry and array is not None else None

    def add(self, op: Op, at: Location | None, array: Array | None) -> Value:
        """Append an operation; what a parameter holds is `array`."""
        if not isinstance(op, Parameter) or not self._has_entries:
            return self._body.add(op, at)
        value = self._front.add(op, at)
        if self._in_entry and array is not None:
            self._made[_content(array)] = value
        return value


def _content(array: Array) -> tuple[object, ...]:
    return array.shape, array.dtype.str, hashlib.sha256(array.tobytes()).digest()


def _wanted(program: Program, known: Mapping[Value, Array | None]) -> _Wanted:
    read: set[Value] = set()
    wanted = _Wanted(set(), set())
    for statement in reversed(program.statements):
        op, result = statement.op, statement.result
        if result is None or result not in known:
            read.update(op.operands())
        elif isinstance(op, Parameter | Fill):
            if result in read:
                wanted.kept.add(result)
        elif result in read and isinstance(op, Expand) and _elements(op.x) < _elements(result):
            wanted.kept.add(result)
            read.add(op.x)
        elif result in read:
            wanted.folded.add(result)
    return wanted


def _constant(
    result: Value, array: Array | None, labels: _Labels, weights: dict[str, Array]
) -> Fill | Parameter:
    kind = result.type
    assert isinstance(kind, TensorType)
    if array is not None and np.all(array == array.flat[0]):
        return Fill(float(array.flat[0]), kind.shape, kind.dtype)
    label = labels.of(result)
    if array is not None:
        weights[label] = np.ascontiguousarray(array)
    return Parameter(label, kind.shape, kind.dtype)


class _Labels:
    """Labels for folded parameters that lead back to those they come from."""

    def __init__(self, program: Program) -> None:
        ops = [statement.op for statement in program.statements]
        self._taken = {op.label for op in ops if isinstance(op, Parameter | State | Input | Output)}
        self._elements = {op.label: math.prod(op.shape) for op in ops if isinstance(op, Parameter)}
        self._sources: dict[Value, frozenset[str]] = {}

    def note(self, statement: Statement) -> None:
        """Remember which parameters a statement's result comes from."""
        if statement.result is not None:
            self._sources[statement.result] = self._sources_of(statement)

    def of(self, value: Value) -> str:
        """The name that sources have in common, or the largest one's, and `folded`."""
        found = self._sources.get(value, frozenset[str]())
        sources = sorted(found, key=lambda label: (-self._elements[label], label))
        start = _common_start([label.split(".") for label in sources]) or sources[:1]
        wanted = ".".join([*start, "folded"])
        label, number = wanted, 1
        while label in self._taken:
            number += 1
            label = f"{wanted}_{number}"
        self._taken.add(label)
        return label

    def _sources_of(self, statement: Statement) -> frozenset[str]:
        op = statement.op
        if isinstance(op, Parameter):
            return frozenset([op.label])
        parts = [self._sources.get(operand, frozenset[str]()) for operand in op.operands()]
        return frozenset[str]().union(*parts)


def _common_start(paths: list[list[str]]) -> list[str]:
    """The parts with which all of several paths start."""
    alike = itertools.takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))
    return [parts[0] for parts in alike]


def _elements(value: Value) -> int:
    assert isinstance(value.type, TensorType)
    return value.type.elements
