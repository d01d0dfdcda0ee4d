"""A captured model becomes a graph program: call by call, all problems reported together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import waferc.frontend.lowerings as _lowerings
from waferc.frontend.captured import (
    Captured,
    CapturedConstant,
    CapturedState,
    InputSpec,
    LowerError,
    Node,
    Ref,
    TensorMeta,
)
from waferc.frontend.limits import Limits, Numbers, input_limits
from waferc.frontend.lowerings.declare import LOWERINGS, Call, program_dtype
from waferc.structure import Structure
from waferc_ir.diagnostics import Location, WaferError, collect
from waferc_ir.dtypes import DType
from waferc_ir.ops.graph_structure import Fill, Input, Output, Parameter, State, Store
from waferc_ir.program import Builder, Program, Value
from waferc_ir.types import TensorType

FAMILIES = tuple(_lowerings.__all__)

_I32 = np.iinfo(np.int32)


@dataclass(frozen=True)
class Lowered:
    """A graph program with the data of its parameters, and how to call it.

    What comes from torch's meta device has no entry in `weights`.
    `arguments` is the structure of the model's positional (a tuple) and keyword (a dict) arguments,
    `returns` that of what it returns; their labels are those of the program's inputs and outputs.
    `limits` are the numbers that inputs may hold which are ids or positions.
    """

    program: Program
    weights: Mapping[str, NDArray[Any]]
    inputs: tuple[InputSpec, ...]
    arguments: Structure
    returns: Structure
    limits: Limits


def lower(captured: Captured) -> Lowered:
    """Lower a captured model to the graph IR.

    Raises:
        LowerError: operators that have no lowering, or arguments or element types that have no
            form in a program; all of them, each with its count and its first line.
    """
    return _Lowering(captured).run()


def torch_operators() -> list[tuple[str, str]]:
    """Every torch operator that can be lowered, with its family."""
    return sorted((target, family) for target, (family, _) in LOWERINGS.items())


@dataclass(frozen=True, slots=True)
class _Problem:
    """What is wrong with a kind of call: the same for each call of that kind."""

    message: str
    help: str | None


class _Lowering:
    def __init__(self, captured: Captured) -> None:
        self.captured = captured
        self.builder = Builder()
        self.values: dict[str, tuple[Value | None, ...]] = {}
        self.weights: dict[str, NDArray[Any]] = {}
        self.constants: dict[Value, NDArray[Any]] = {}
        self.limits: list[Numbers] = []
        self.problems: dict[_Problem, list[Node | None]] = {}

    def run(self) -> Lowered:
        inputs = self._inputs()
        self._constants()
        self._states()
        used = self._used_results()
        for node in self.captured.nodes:
            self._node(node, used.get(node.name, frozenset()))
        self.builder.at = None
        self._empty_outputs()
        self._raise_problems()
        for label, ref in self.captured.outputs:
            value = self.values[ref.node][0]
            assert value is not None, ref
            self.builder.effect(Output(value, label))
        for state in self.captured.states:
            if state.becomes.node != state.node:
                self._store(state)
        program = Program("graph", self.captured.name, tuple(self.builder.statements))
        limits = input_limits(program.statements, self.constants, self.limits)
        return Lowered(
            program, self.weights, inputs, self.captured.arguments, self.captured.returns, limits
        )

    def _inputs(self) -> tuple[InputSpec, ...]:
        specs: list[InputSpec] = []
        for given in self.captured.inputs:
            kind = self._type(given.meta, f"input {given.label}", None)
            self.values[given.node] = (
                self.builder.add(Input(given.label, kind.shape, kind.dtype)),
            )
            specs.append(InputSpec(given.label, kind.shape, kind.dtype, given.meta.dtype))
        return tuple(specs)

    def _constants(self) -> None:
        by_label: dict[str, Value] = {}
        for constant in self.captured.constants:
            if constant.label not in by_label:
                by_label[constant.label] = self._constant(constant)
            self.values[constant.node] = (by_label[constant.label],)

    def _constant(self, constant: CapturedConstant) -> Value:
        """A parameter; a fill if it is no trained weight and has one value everywhere."""
        kind = self._type(
            TensorMeta(constant.shape, constant.torch_dtype), constant.label, constant.at
        )
        parameter = Parameter(constant.label, kind.shape, kind.dtype)
        if constant.data is None:
            return self.builder.add(parameter, constant.at)
        array = self._array(f"constant {constant.label}", constant.data, kind)
        if not constant.is_parameter and array.size and np.all(array == array.flat[0]):
            op = Fill(float(array.flat[0]), kind.shape, kind.dtype)
            return self.builder.add(op, constant.at)
        self.weights[constant.label] = array
        value = self.builder.add(parameter, constant.at)
        self.constants[value] = array
        return value

    def _array(self, what: str, data: NDArray[Any], kind: TensorType) -> NDArray[Any]:
        """The data of a constant or state as the wafer holds it; what it cannot is a problem."""
        if data.dtype == np.int64 and data.size:
            low, high = int(data.min()), int(data.max())
            if low < _I32.min or high > _I32.max:
                message = f"{what} holds integers from {low} to {high}"
                problem = _Problem(message, "the wafer's integers have 32 bits")
                self.problems.setdefault(problem, []).append(None)
        return np.ascontiguousarray(data.astype(kind.dtype.numpy)).reshape(kind.shape)

    def _states(self) -> None:
        for state in self.captured.states:
            kind = self._type(TensorMeta(state.shape, state.torch_dtype), state.label, state.at)
            if state.data is not None:
                self.weights[state.label] = self._array(f"state {state.label}", state.data, kind)
            op = State(state.label, kind.shape, kind.dtype)
            self.values[state.node] = (self.builder.add(op, state.at),)

    def _store(self, state: CapturedState) -> None:
        old, new = self.values[state.node][0], self.values[state.becomes.node][0]
        assert old is not None
        assert new is not None
        self.builder.effect(Store(old, new), state.at)

    def _used_results(self) -> dict[str, frozenset[int]]:
        """Which results of calls with several are read: by getitem, or as outputs."""
        used: dict[str, set[int]] = {}
        for node in self.captured.nodes:
            if node.target == "getitem":
                source, index = node.arguments["0"], node.arguments["1"]
                if isinstance(source, Ref) and isinstance(index, int):
                    used.setdefault(source.node, set()).add(index)
        return {name: frozenset(numbers) for name, numbers in used.items()}

    def _node(self, node: Node, used: frozenset[int]) -> None:
        first = node.results[0] if node.results else None
        if not node.is_tuple and first is not None and 0 in first.shape:
            self.values[node.name] = (None,)  # a concatenation may do without it
            return
        self.builder.at = node.at
        call = Call(
            node, self.builder, self.values, self.weights, self.constants, used, self.limits
        )
        try:
            if node.target not in LOWERINGS:
                raise LowerError(
                    f"torch operator {node.target} has no lowering",
                    help="`waferc ops --torch` lists what is known; "
                    "compiler/README.md says how to add one",
                )
            if not node.is_tuple:
                _ = call.result  # an element type that programs lack is refused whatever the call
            results = LOWERINGS[node.target][1](call)
        except LowerError as problem:
            key = _Problem(problem.message, problem.help)
            self.problems.setdefault(key, []).append(node)
            results = self._stand_ins(node)
        results = results if isinstance(results, tuple) else (results,)
        self._check(node, results)
        self.values[node.name] = results

    def _empty_outputs(self) -> None:
        nodes = {node.name: node for node in self.captured.nodes}
        for label, ref in self.captured.outputs:
            if self.values[ref.node][0] is None:
                problem = _Problem(f"the output {label} has no elements", None)
                self.problems.setdefault(problem, []).append(nodes.get(ref.node))

    def _stand_ins(self, node: Node) -> tuple[Value | None, ...]:
        """Values as torch states them, so that what follows a refused call is looked at too."""
        kinds: list[Value | None] = []
        for meta in node.results:
            if meta is None:
                kinds.append(None)
                continue
            try:
                dtype = program_dtype(meta.dtype)
            except LowerError:
                dtype = DType.F32
            kinds.append(Value(TensorType(tuple(max(1, n) for n in meta.shape), dtype)))
        return tuple(kinds)

    def _check(self, node: Node, results: tuple[Value | None, ...]) -> None:
        """A lowering that yields another type than torch is a mistake of ours."""
        if self.problems:
            return
        for value, meta in zip(results, node.results, strict=True):
            if value is not None and meta is not None:
                stated = TensorType(meta.shape, program_dtype(meta.dtype))
                assert value.type == stated, (node.target, str(value.type), str(stated))

    def _type(self, meta: TensorMeta, what: str, at: Location | None) -> TensorType:
        shape = tuple(max(1, extent) for extent in meta.shape)
        if 0 in meta.shape:
            problem = _Problem(f"{what} of shape {list(meta.shape)} has no elements", None)
            self.problems.setdefault(problem, []).append(None)
        try:
            return TensorType(shape, program_dtype(meta.dtype))
        except LowerError as error:
            problem = _Problem(f"{what}: {error.message}", error.help)
            self.problems.setdefault(problem, []).append(None)
            return TensorType(shape, DType.F32)

    def _raise_problems(self) -> None:
        errors: list[WaferError] = []
        for problem, nodes in self.problems.items():
            calls = [node for node in nodes if node is not None]
            notes: list[str] = []
            if len(calls) > 1:
                notes.append(f"{len(calls)} calls; this is the first")
            if calls and calls[0].module:
                notes.append(f"in {self.captured.name}.{calls[0].module}")
            at = next((node.at for node in calls if node.at is not None), None)
            errors.append(LowerError(problem.message, at, notes=notes, help=problem.help))
        error = collect(errors)
        if error is not None:
            raise error
