"""Tensor accesses `|i, j| { n, m } -> a[2 * i + j + 1]`: affine index forms."""

from __future__ import annotations

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import syntax
from waferc_runtime.csl.conversion import materialise, point
from waferc_runtime.csl.core import Scalar
from waferc_runtime.csl.diagnostics import CslError
from waferc_runtime.csl.evaluator import Evaluator, evaluates
from waferc_runtime.csl.operators import binary
from waferc_runtime.csl.places import element, row_major
from waferc_runtime.csl.types import ArrayType, Meta, PointerType, is_integer
from waferc_runtime.csl.values import (
    ArrayValue,
    Dynamic,
    Known,
    MemoryPlace,
    TensorValue,
    Value,
    comptime_int,
    type_of,
)

# coefficient by variable; None is the constant
_Affine = dict[str | None, Value]


@evaluates(syntax.TensorAccess)
def _tensor(ev: Evaluator, node: syntax.TensorAccess) -> Value:
    variables = node.variables
    if len(variables) != len(node.extents):
        raise CslError(f"{len(variables)} variables and {len(node.extents)} extents", node.at)
    if len(set(variables)) != len(variables):
        raise CslError("two variables of one name", node.at)
    extents = tuple(ev.value(extent) for extent in node.extents)
    base, forms, dims = _target(ev, node)
    strides: dict[str, Value] = {variable: comptime_int(0) for variable in variables}
    indices: list[Value] = []
    for form, step in zip(forms, row_major(dims), strict=True):
        indices.append(form.get(None, comptime_int(0)))
        for variable in variables:
            if variable in form:
                scaled = binary(ev, "*", form[variable], comptime_int(step), node.at)
                strides[variable] = binary(ev, "+", strides[variable], scaled, node.at)
    return TensorValue(
        _start(ev, base, indices, node.target.at),
        tuple(strides[variable] for variable in variables),
        extents,
    )


def _target(
    ev: Evaluator, node: syntax.TensorAccess
) -> tuple[Value, list[_Affine], tuple[int, ...]]:
    """The array, the affine form of each index, and the extents of the array."""
    target = node.target
    if not isinstance(target, syntax.Index):
        raise CslError("a tensor access ends in an element, as in a[i]", target.at)
    base = ev.raw(target.base)
    if isinstance(base, ArrayValue):
        name = target.base.name if isinstance(target.base, syntax.Name) else "constant"
        base = materialise(ev, base, name, target.at)
    base = ev.read(base, target.at)
    match base:
        case Dynamic(type=PointerType(target=ArrayType() as array, many=False) as pointer):
            base = MemoryPlace(array, base.expr, pointer.const, base.is_constant)
        case _:
            pass
    forms = [_affine(ev, index, node.variables) for index in target.indices]
    type = type_of(base)
    dims = type.dims if isinstance(type, ArrayType) else (1,) * len(forms)
    if len(dims) != len(forms):
        raise CslError(f"{len(forms)} indices for an array of rank {len(dims)}", target.at)
    return base, forms, dims


def _start(ev: Evaluator, base: Value, indices: list[Value], at: Location) -> Value:
    """Pointer to the element where all variables are 0, which may lie outside of the array."""
    if isinstance(base, MemoryPlace) and isinstance(base.type, ArrayType):
        flat: Value = comptime_int(0)
        for index, step in zip(indices, row_major(base.type.dims), strict=True):
            scaled = binary(ev, "*", index, comptime_int(step), at)
            flat = binary(ev, "+", flat, scaled, at)
        pointer = PointerType(base.type.element, many=True, const=base.is_const)
        base = Dynamic(pointer, base.pointer, base.is_constant)
        indices = [flat]
    place = element(ev, base, indices, at)
    type = PointerType(place.type, many=True, const=place.is_const)
    return point(Dynamic(type, place.pointer, place.is_constant), type, at)


def _affine(ev: Evaluator, node: syntax.Expr, variables: tuple[str, ...]) -> _Affine:
    match node:
        case syntax.Name() if node.name in variables:
            return {node.name: comptime_int(1)}
        case syntax.Unary(op="-"):
            minus = comptime_int(-1)
            form = _affine(ev, node.x, variables)
            return {v: binary(ev, "*", minus, c, node.at) for v, c in form.items()}
        case syntax.Binary(op="+" | "-"):
            return _sum(ev, node, variables)
        case syntax.Binary(op="*"):
            lhs, rhs = _affine(ev, node.lhs, variables), _affine(ev, node.rhs, variables)
            if set(lhs) - {None} and set(rhs) - {None}:
                raise CslError("a product of variables is not affine", node.at)
            factor, form = (rhs, lhs) if set(lhs) - {None} else (lhs, rhs)
            scale = factor[None]
            return {v: binary(ev, "*", scale, c, node.at) for v, c in form.items()}
        case _:
            if _mentions(node, variables):
                raise CslError("the index is not affine in its variables", node.at)
            value = ev.value(node)
            type = type_of(value)
            if isinstance(value, Known) and isinstance(type, Scalar) and is_integer(type):
                value = Known(Meta.COMPTIME_INT, value.data)
            elif not is_integer(type) and type is not Meta.COMPTIME_INT:
                raise CslError(f"an index of type {ev.name_of(value)}", node.at)
            return {None: value}


def _sum(ev: Evaluator, node: syntax.Binary, variables: tuple[str, ...]) -> _Affine:
    lhs, rhs = _affine(ev, node.lhs, variables), _affine(ev, node.rhs, variables)
    total = dict(lhs)
    for variable, coefficient in rhs.items():
        start = total.get(variable, comptime_int(0))
        total[variable] = binary(ev, node.op, start, coefficient, node.at)
    return total


def _mentions(node: syntax.Expr, variables: tuple[str, ...]) -> bool:
    match node:
        case syntax.Name():
            return node.name in variables
        case syntax.Binary():
            return _mentions(node.lhs, variables) or _mentions(node.rhs, variables)
        case syntax.Unary() | syntax.ComptimeExpr():
            return _mentions(node.x, variables)
        case syntax.Index():
            return any(_mentions(part, variables) for part in (node.base, *node.indices))
        case syntax.Call() | syntax.BuiltinCall():
            return any(_mentions(part, variables) for part in node.arguments)
        case syntax.Member() | syntax.Dereference():
            return _mentions(node.base, variables)
        case _:
            return False
