"""The meaning of graph programs in NumPy: the oracle for passes, kernels and engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from waferc.evaluate import arrays, scalar
from waferc_ir.diagnostics import WaferError
from waferc_ir.entries import entry_named, single
from waferc_ir.ops import graph_compute, graph_move, graph_structure
from waferc_ir.ops.declare import Op
from waferc_ir.program import Program, Value
from waferc_ir.types import TensorType, TiledType

Array = NDArray[Any]
Environment = Mapping[Value, Array]
O = TypeVar("O", bound=Op)  # noqa: E741


class EvaluateError(WaferError):
    """An input or a parameter is missing, or is not what the program states."""

    code = "evaluate"


_MEANINGS: dict[type[Op], Callable[[Any, Environment], Array]] = {}
MEANINGS: Mapping[type[Op], Callable[[Any, Environment], Array]] = MappingProxyType(_MEANINGS)
"""By operation class: (operation, arrays of its operands) -> array of its result."""


def evaluate(
    program: Program,
    inputs: Mapping[str, Array],
    weights: Mapping[str, Array],
    states: MutableMapping[str, Array] | None = None,
    *,
    entry: str | None = None,
) -> dict[str, Array]:
    """Run a graph program: arrays by input label in, arrays by output label out.

    A program of several entries runs the one called `entry`.

    States are read from `states`, where they are there, else from `weights`; what the call leaves
    in them is written to `states`.

    Raises:
        EvaluateError: an array is missing, or has another shape or element type than stated.
        EntryError: there is no such entry, or none is named.
    """
    program = single(program, entry_named(program, entry))
    values: dict[Value, Array] = {}
    outputs: dict[str, Array] = {}
    states_read: dict[Value, graph_structure.State] = {}
    stored: dict[str, Array] = {}
    for statement in program.statements:
        match statement.op:
            case graph_structure.Output() as op:
                outputs[op.label] = np.array(values[op.x])
            case graph_structure.Input() as op:
                array = stated("input", op.label, op.result_type(), inputs)
                values[_result(statement.result)] = array
            case graph_structure.Parameter() as op:
                array = stated("parameter", op.label, op.result_type(), weights)
                values[_result(statement.result)] = array
            case graph_structure.State() as op:
                source = states if states is not None and op.label in states else weights
                array = stated("state", op.label, op.result_type(), source)
                values[_result(statement.result)] = arrays.spread(array, op.spread)
                states_read[_result(statement.result)] = op
            case graph_structure.Store() as op:
                state = states_read[op.state]
                stored[state.label] = arrays.gathered(np.array(values[op.x]), state.spread)
            case op:
                values[_result(statement.result)] = evaluate_operation(op, values)
    if states is not None:
        states.update(stored)
    return outputs


def evaluate_operation(op: Op, operands: Environment) -> Array:
    """The result of one operation that is no input, parameter or output."""
    return np.asarray(MEANINGS[type(op)](op, operands))


def _result(value: Value | None) -> Value:
    assert value is not None
    return value


def stated(
    what: str, label: str, kind: TensorType | TiledType, source: Mapping[str, Array]
) -> Array:
    """The array of a label, as its type states it.

    Raises:
        EvaluateError: it is missing, or has another shape or element type.
    """
    if label not in source:
        raise EvaluateError(f"{what} {label!r} is missing")
    array = np.asarray(source[label])
    if array.shape != kind.shape or array.dtype != np.dtype(kind.dtype.numpy):
        raise EvaluateError(
            f"{what} {label!r} is {list(array.shape)} {array.dtype},"
            f" the program takes {list(kind.shape)} {kind.dtype.numpy}"
        )
    return array


def _means(
    kind: type[O],
) -> Callable[[Callable[[O, Environment], Array]], Callable[[O, Environment], Array]]:
    def enter(function: Callable[[O, Environment], Array]) -> Callable[[O, Environment], Array]:
        _MEANINGS[kind] = function
        return function

    return enter


def _optional(value: Value | None, v: Environment) -> Array | None:
    return None if value is None else v[value]


@_means(graph_structure.Fill)
def _fill(op: graph_structure.Fill, v: Environment) -> Array:
    return np.full(op.shape, op.value, op.dtype.numpy)


@_means(graph_compute.Unary)
def _unary(op: graph_compute.Unary, v: Environment) -> Array:
    return scalar.unary(op.fn, v[op.x])


@_means(graph_compute.Binary)
def _binary(op: graph_compute.Binary, v: Environment) -> Array:
    return scalar.binary(op.fn, v[op.lhs], v[op.rhs])


@_means(graph_compute.BinaryScalar)
def _binary_scalar(op: graph_compute.BinaryScalar, v: Environment) -> Array:
    return scalar.binary_scalar(op.fn, v[op.x], op.value, op.reverse)


@_means(graph_compute.Select)
def _select(op: graph_compute.Select, v: Environment) -> Array:
    return np.where(v[op.condition], v[op.lhs], v[op.rhs])


@_means(graph_compute.Cast)
def _cast(op: graph_compute.Cast, v: Environment) -> Array:
    return scalar.cast(v[op.x], op.dtype.numpy)


@_means(graph_compute.Reduce)
def _reduce(op: graph_compute.Reduce, v: Environment) -> Array:
    return arrays.reduce(v[op.x], op.fn, op.dims, op.keepdim)


@_means(graph_compute.Softmax)
def _softmax(op: graph_compute.Softmax, v: Environment) -> Array:
    return arrays.softmax(v[op.x], op.dim, op.log)


@_means(graph_compute.LayerNorm)
def _layer_norm(op: graph_compute.LayerNorm, v: Environment) -> Array:
    weight, bias = _optional(op.weight, v), _optional(op.bias, v)
    return arrays.layer_norm(v[op.x], weight, bias, op.rank, op.eps)


@_means(graph_compute.RmsNorm)
def _rms_norm(op: graph_compute.RmsNorm, v: Environment) -> Array:
    return arrays.rms_norm(v[op.x], _optional(op.weight, v), op.rank, op.eps)


@_means(graph_compute.MatMul)
def _matmul(op: graph_compute.MatMul, v: Environment) -> Array:
    return arrays.matmul(v[op.lhs], v[op.rhs])


@_means(graph_compute.Linear)
def _linear(op: graph_compute.Linear, v: Environment) -> Array:
    return arrays.linear(v[op.x], v[op.weight], _optional(op.bias, v))


@_means(graph_compute.Attention)
def _attention(op: graph_compute.Attention, v: Environment) -> Array:
    query, key, value, mask = v[op.query], v[op.key], v[op.value], _optional(op.mask, v)
    return arrays.attention(query, key, value, mask, op.causal, op.scale)


@_means(graph_compute.Embedding)
def _embedding(op: graph_compute.Embedding, v: Environment) -> Array:
    return arrays.embedding(v[op.table], v[op.ids])


@_means(graph_compute.Conv2d)
def _conv2d(op: graph_compute.Conv2d, v: Environment) -> Array:
    x, weight, bias = v[op.x], v[op.weight], _optional(op.bias, v)
    return arrays.conv2d(x, weight, bias, op.stride, op.padding, op.dilation, op.groups)


@_means(graph_compute.Pool2d)
def _pool2d(op: graph_compute.Pool2d, v: Environment) -> Array:
    return arrays.pool2d(v[op.x], op.fn, op.kernel, op.stride, op.padding, op.count_padding)


@_means(graph_compute.Contract)
def _contract(op: graph_compute.Contract, v: Environment) -> Array:
    lhs, rhs = (v[x].astype(np.float32) if op.wide else v[x] for x in (op.lhs, op.rhs))
    return arrays.contract(lhs, rhs, op.lhs_dims, op.rhs_dims, op.out_dims)


@_means(graph_compute.CausalMask)
def _causal_mask(op: graph_compute.CausalMask, v: Environment) -> Array:
    return arrays.causal_mask(v[op.x], op.offset)


@_means(graph_move.Reshape)
def _reshape(op: graph_move.Reshape, v: Environment) -> Array:
    return v[op.x].reshape(op.shape)


@_means(graph_move.Permute)
def _permute(op: graph_move.Permute, v: Environment) -> Array:
    return np.transpose(v[op.x], op.dims)


@_means(graph_move.Slice)
def _slice(op: graph_move.Slice, v: Environment) -> Array:
    return v[op.x][(slice(None),) * op.dim + (slice(op.start, op.stop, op.step),)]


@_means(graph_move.Concat)
def _concat(op: graph_move.Concat, v: Environment) -> Array:
    return np.concatenate([v[part] for part in op.parts], axis=op.dim)


@_means(graph_move.Expand)
def _expand(op: graph_move.Expand, v: Environment) -> Array:
    return np.broadcast_to(v[op.x], op.shape)


@_means(graph_move.Pad)
def _pad(op: graph_move.Pad, v: Environment) -> Array:
    widths = list(zip(op.before, op.after, strict=True))
    x = v[op.x]
    return np.pad(x, widths, constant_values=x.dtype.type(op.value)) if widths else x
