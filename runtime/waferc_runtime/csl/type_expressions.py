"""Types written out: pointers, arrays, functions, structs, enums."""

from __future__ import annotations

from waferc_runtime.csl import syntax
from waferc_runtime.csl.core import Scalar
from waferc_runtime.csl.diagnostics import CslError, not_supported
from waferc_runtime.csl.evaluator import Evaluator, evaluates
from waferc_runtime.csl.types import (
    ArrayType,
    EnumType,
    FunctionType,
    PointerType,
    StructType,
    integer_range,
    is_integer,
    type_name,
)
from waferc_runtime.csl.values import TypeValue, Value

MAX_ELEMENTS = 1 << 24


@evaluates(syntax.PointerTypeExpr)
def _pointer(ev: Evaluator, node: syntax.PointerTypeExpr) -> Value:
    target = ev.type(node.target)
    if node.many and isinstance(target, ArrayType):
        raise CslError("a [*] pointer to arrays", node.at, help="point to the array: *[n]T")
    return TypeValue(PointerType(target, node.many, node.const))


@evaluates(syntax.ArrayTypeExpr)
def _array(ev: Evaluator, node: syntax.ArrayTypeExpr) -> Value:
    dims = tuple(ev.integer(extent) for extent in node.extents)
    for dim, extent in zip(dims, node.extents, strict=True):
        if dim < 0:
            raise CslError(f"an array extent of {dim}", extent.at)
    element = ev.type(node.element)
    if isinstance(element, ArrayType):
        raise CslError("an array of arrays", node.at, help="arrays have many dimensions: [n, m]T")
    type = ArrayType(dims, element)
    if type.count > MAX_ELEMENTS:
        raise CslError(f"an array of {type.count:,} elements does not fit a PE", node.at)
    return TypeValue(type)


@evaluates(syntax.FunctionTypeExpr)
def _function(ev: Evaluator, node: syntax.FunctionTypeExpr) -> Value:
    parameters = tuple(ev.type(parameter) for parameter in node.parameters)
    return TypeValue(FunctionType(node.kind, parameters, ev.type(node.result)))


@evaluates(syntax.StructTypeExpr)
def _struct(ev: Evaluator, node: syntax.StructTypeExpr) -> Value:
    if node.packing not in ("struct", "extern struct"):
        raise not_supported(f"{node.packing} as a type", node.at)
    return TypeValue(StructType(tuple((n, ev.type(t)) for n, t in node.fields), node.at))


@evaluates(syntax.EnumTypeExpr)
def _enum(ev: Evaluator, node: syntax.EnumTypeExpr) -> Value:
    base = Scalar.U16 if node.base is None else ev.type(node.base)
    if not isinstance(base, Scalar) or not is_integer(base):
        raise CslError(f"an enum of {type_name(base)}", node.at, help="enums are integers")
    given = {name: ev.integer(value) for name, value in node.members if value is not None}
    used = set(given.values())
    members: dict[str, int] = {}
    free = 0
    for name, _ in node.members:
        if name in members:
            raise CslError(f"the enum has {name!r} twice", node.at)
        while name not in given and free in used:
            free += 1
        members[name] = given.get(name, free)
        used.add(members[name])
    low, high = integer_range(base)
    if any(not low <= number <= high for number in members.values()):
        raise CslError(f"a member of the enum does not fit {base.label}", node.at)
    return TypeValue(EnumType(base, tuple(members.items()), node.at))
