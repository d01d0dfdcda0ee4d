"""`@map`: functions without side effects applied to whole arrays, others element by element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.builtins import scalar
from waferc_runtime.builtins.math import MATH_FUNCTIONS
from waferc_runtime.builtins.timing import expression_cycles, library_cycles
from waferc_runtime.builtins.walk import walk
from waferc_runtime.csl import core
from waferc_runtime.vector.lanes import Lanes, is_array
from waferc_runtime.vector.operation import length_of
from waferc_runtime.vector.unknown import Misuse
from waferc_runtime.vector.values import FabricDsd, MemoryDsd, PointerValue, RunValue, wide

Array = NDArray[Any]
Frame = dict[int, Any]
Evaluate = Callable[[Frame], Any]


@dataclass(frozen=True, slots=True, eq=False)
class PureFunction:
    """A function of arrays. `cycles` is what an element costs; None if that depends on values."""

    compute: Callable[..., Array]
    cycles: int | None
    varying: Callable[..., Any] | None = None  # cycles by element, if `cycles` is None


@dataclass(frozen=True, slots=True, eq=False)
class MapRun:
    """A `@map` with its operands' values."""

    inputs: Sequence[RunValue]
    types: Sequence[core.Scalar]
    output: RunValue
    result: core.Scalar
    pure: PureFunction | None

    @property
    def count(self) -> int:
        """Elements: of the shortest DSD; shapes are the same on all PEs."""
        lengths = [length_of([v]) for v in (*self.inputs, self.output) if _is_dsd(v)]
        return min((int(np.max(length)) for length in lengths), default=1)

    def has_fabric(self) -> bool:
        """Whether it receives or sends."""
        return any(isinstance(value, FabricDsd) for value in (*self.inputs, self.output))

    def is_vectorisable(self) -> bool:
        """Whether the function can be applied to whole arrays."""
        if self.pure is None or not _is_dsd(self.output):
            return False
        if any(isinstance(value, PointerValue) for value in self.inputs):
            return False
        return self.pure.cycles is not None or not self.has_fabric()


def stored_at(
    output: RunValue, index: int, element: core.Scalar, value: RunValue, lanes: Lanes
) -> None:
    """Write the result for element `index` of a `@map` to memory."""
    match output:
        case MemoryDsd():
            words = wide(output.words) + output.offset(index) * element.words
            output.block.store(words, element, lanes, value)
        case PointerValue():
            output.block.store(output.words, element, lanes, value)
        case _:
            raise Misuse("@map cannot write to its output")


def _is_dsd(value: RunValue) -> bool:
    return isinstance(value, MemoryDsd | FabricDsd)


def pure_function(
    function: core.Function | str,
    types: Sequence[core.Scalar],
    result: core.Scalar,
    machine: Machine,
) -> PureFunction | None:
    """The function on arrays; None if it has effects or needs control flow that arrays have not."""
    if isinstance(function, str):
        library = MATH_FUNCTIONS.get(function)
        if library is None:
            return None
        cycles = library_cycles(function, machine)
        dtypes = [scalar.DTYPES[kind] for kind in types]

        def compute(*values: Array) -> Array:
            arrays = [np.asarray(v, dtype) for v, dtype in zip(values, dtypes, strict=True)]
            return library.compute(*arrays)

        return PureFunction(compute, cycles)
    try:
        translation = _Translation(machine)
        body = translation.function(function)
    except _ImpureError:
        return None
    target = scalar.DTYPES[result]

    def apply(*values: Array) -> Array:
        arrays = [scalar.to_array(v, kind) for v, kind in zip(values, types, strict=True)]
        return np.asarray(body(arrays, None), target)

    if not translation.has_choice:
        return PureFunction(apply, translation.constant_cycles(function))

    def varying(*values: Array) -> Any:
        spent: list[Any] = []
        body([scalar.to_array(v, kind) for v, kind in zip(values, types, strict=True)], spent)
        return sum(spent)

    return PureFunction(apply, None, varying)


class _ImpureError(Exception):
    """Something that arrays cannot do at once."""


Spent = list[Any]  # cycles, uniform or an array; None where nobody asks
_Body = Callable[[Sequence[Any], "Spent | None"], Any]
_Term = Callable[[Frame, "Spent | None", Any], Any]  # frame, spent, mask of elements meant


class _Translation:
    """Turns functions into functions of arrays. Choices are made by computing both sides."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._open: set[core.Function] = set()
        self.has_choice = False

    def constant_cycles(self, function: core.Function) -> int:
        """Cycles of an element where nothing is chosen."""
        spent: Spent = []
        shapes = [
            np.ones(1, scalar.DTYPES[p.type])
            for p in function.parameters
            if isinstance(p.type, core.Scalar)
        ]
        with np.errstate(all="ignore"):
            self.function(function)(shapes, spent)
        return int(sum(int(np.max(part)) for part in spent))

    def function(self, function: core.Function) -> _Body:
        term = self._function(function)
        return lambda values, spent: term(values, spent, True)

    def _function(
        self, function: core.Function
    ) -> Callable[[Sequence[Any], Spent | None, Any], Any]:
        if function in self._open:
            raise _ImpureError
        self._open.add(function)
        steps: list[tuple[int, _Term]] = []
        last: _Term | None = None
        for statement in function.body:
            if last is not None:
                break
            match statement:
                case core.SetLocal():
                    steps.append((statement.local.index, self._term(statement.value)))
                case core.Return() if statement.value is not None:
                    last = self._term(statement.value)
                case _:
                    raise _ImpureError
        self._open.discard(function)
        if last is None:
            raise _ImpureError
        result = last

        def run(values: Sequence[Any], spent: Spent | None, mask: Any) -> Any:
            frame: Frame = dict(enumerate(values))
            for index, term in steps:
                frame[index] = term(frame, spent, mask)
            return result(frame, spent, mask)

        return run

    def _term(self, node: core.Expr) -> _Term:
        own = expression_cycles(node, self._machine)

        def pay(spent: Spent | None, mask: Any) -> None:
            if spent is not None and own:
                spent.append(own * mask if isinstance(mask, np.ndarray) else own)

        match node:
            case core.Const():
                return self._constant(node)
            case core.GetLocal():
                index = node.local.index
                return lambda frame, spent, mask: frame[index]
            case core.UnaryExpr():
                x, unary = self._term(node.x), scalar.unary(node.op, node.type)

                def on_one(frame: Frame, spent: Spent | None, mask: Any) -> Any:
                    pay(spent, mask)
                    return unary(x(frame, spent, mask))

                return on_one
            case core.BinaryExpr():
                if node.op in ("/", "%") and not node.type.is_float:
                    raise _ImpureError  # may divide by zero where it is not meant to be evaluated
                return self._two(scalar.binary(node.op, node.type), node.lhs, node.rhs, pay)
            case core.CompareExpr():
                return self._two(scalar.compare(node.op), node.lhs, node.rhs, pay)
            case core.Convert() | core.Bitcast():
                source, target = node.x.type, node.type
                assert isinstance(source, core.Scalar)
                inner = self._term(node.x)
                change = scalar.convert if isinstance(node, core.Convert) else scalar.bitcast

                def converted(frame: Frame, spent: Spent | None, mask: Any) -> Any:
                    pay(spent, mask)
                    return change(inner(frame, spent, mask), source, target)

                return converted
            case core.SelectExpr() | core.LogicExpr():
                return self._choice(node, pay)
            case core.LibraryCall():
                return self._library(node, pay)
            case core.Call():
                return self._call(node, pay)
            case _:
                raise _ImpureError

    def _constant(self, node: core.Const) -> _Term:
        if not isinstance(node.type, core.Scalar):
            raise _ImpureError
        value = node.value
        if isinstance(value, np.ndarray):
            if not (value == value[0]).all():
                raise _ImpureError  # lanes of a class, but the PEs at hand are not known here
            value = scalar.from_item(value[0])
        single = scalar.uniform(value, node.type)
        return lambda frame, spent, mask: single

    def _two(
        self,
        function: Callable[[Any, Any], Any],
        lhs: core.Expr,
        rhs: core.Expr,
        pay: Callable[[Spent | None, Any], None],
    ) -> _Term:
        a, b = self._term(lhs), self._term(rhs)

        def on_two(frame: Frame, spent: Spent | None, mask: Any) -> Any:
            pay(spent, mask)
            return function(a(frame, spent, mask), b(frame, spent, mask))

        return on_two

    def _choice(
        self, node: core.SelectExpr | core.LogicExpr, pay: Callable[[Spent | None, Any], None]
    ) -> _Term:
        if isinstance(node, core.SelectExpr):
            self.has_choice |= self._cycles(node.lhs) is None
            self.has_choice |= self._cycles(node.lhs) != self._cycles(node.rhs)
            if not isinstance(node.type, core.Scalar):
                raise _ImpureError
            dtype = scalar.DTYPES[node.type]
            condition = self._term(node.condition)
            yes, no = self._term(node.lhs), self._term(node.rhs)

            def select(frame: Frame, spent: Spent | None, mask: Any) -> Any:
                pay(spent, mask)
                chosen = condition(frame, spent, mask)
                if not is_array(chosen):
                    return (yes if chosen else no)(frame, spent, mask)
                first = yes(frame, spent, np.logical_and(mask, chosen))
                second = no(frame, spent, np.logical_and(mask, ~chosen))
                return np.where(chosen, np.asarray(first, dtype), np.asarray(second, dtype))

            return select
        lhs, rhs = self._term(node.lhs), self._term(node.rhs)
        is_or = node.op == "or"
        self.has_choice |= self._cycles(node.rhs) != 0

        def logic(frame: Frame, spent: Spent | None, mask: Any) -> Any:
            pay(spent, mask)
            a = lhs(frame, spent, mask)
            if not is_array(a):
                return a if bool(a) == is_or else rhs(frame, spent, mask)
            b = rhs(frame, spent, np.logical_and(mask, a != is_or))
            return np.logical_or(a, b) if is_or else np.logical_and(a, b)

        return logic

    def _cycles(self, node: core.Expr) -> int | None:
        """Cycles of an expression, where they can be seen without calls and choices."""
        parts = walk(node)
        if any(isinstance(p, core.Call | core.SelectExpr | core.LogicExpr) for p in parts):
            return None
        return sum(expression_cycles(part, self._machine) for part in parts)

    def _library(self, node: core.LibraryCall, pay: Callable[[Spent | None, Any], None]) -> _Term:
        function = MATH_FUNCTIONS.get(node.name)
        if function is None:
            raise _ImpureError
        terms = [self._term(argument) for argument in node.arguments]
        dtypes = [
            scalar.DTYPES[argument.type]
            for argument in node.arguments
            if isinstance(argument.type, core.Scalar)
        ]

        def call(frame: Frame, spent: Spent | None, mask: Any) -> Any:
            pay(spent, mask)
            values = [term(frame, spent, mask) for term in terms]
            arrays = [np.asarray(v, dtype) for v, dtype in zip(values, dtypes, strict=True)]
            return function.compute(*arrays)

        return call

    def _call(self, node: core.Call, pay: Callable[[Spent | None, Any], None]) -> _Term:
        body = self._function(node.function)
        terms = [self._term(argument) for argument in node.arguments]

        def call(frame: Frame, spent: Spent | None, mask: Any) -> Any:
            pay(spent, mask)
            return body([term(frame, spent, mask) for term in terms], spent, mask)

        return call
