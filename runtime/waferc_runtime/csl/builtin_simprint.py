"""`<simprint>`: printing at run time, as `core.Print`.

Texts and format strings are known at compile time; so are values, or they are numbers that the PE
computes. With the param `enable` false nothing is printed, and nothing evaluated.
"""

from __future__ import annotations

import re
from typing import Literal

from waferc_ir.diagnostics import Location
from waferc_runtime.builtins.printing import show
from waferc_runtime.csl import core, syntax
from waferc_runtime.csl.conversion import as_core, to_core
from waferc_runtime.csl.core import Scalar
from waferc_runtime.csl.diagnostics import CslError
from waferc_runtime.csl.evaluator import Evaluator, arguments
from waferc_runtime.csl.libraries import NATIVE, native
from waferc_runtime.csl.types import Meta, is_float, is_integer, scalar_of, type_name
from waferc_runtime.csl.values import Known, LibraryFunction, StructValue, Value, Void, type_of

Form = Literal["d", "X", "b", "f"]
_FORMS: dict[str, Form] = {"d": "d", "X": "X", "b": "b", "f": "f"}
_PLACE = re.compile(r"\{\{|\{(.?)\}|\{")


@native("simprint.print_string")
def _print_string(ev: Evaluator, callee: LibraryFunction, node: syntax.Call) -> Value:
    (argument,) = arguments(node, 1, name="print_string")
    return _print(ev, callee, [ev.text(argument).split("\0")[0]], node)


def _number(type: Scalar, form: Form) -> None:
    """Enter the function that prints one number of a type."""
    endings = {"d": "_decimal", "X": "_hex", "b": "_binary", "f": ""}
    name = f"print_{type.label}{endings[form]}"

    def handler(ev: Evaluator, callee: LibraryFunction, node: syntax.Call) -> Value:
        (argument,) = arguments(node, 1, name=name)
        value = as_core(ev, ev.value(argument), type, argument.at)
        return _print(ev, callee, [core.Shown(value, form)], node)

    NATIVE[f"simprint.{name}"] = handler


for _type in (Scalar.U16, Scalar.U32):
    for _form in ("d", "X", "b"):
        _number(_type, _form)
for _type in (Scalar.F16, Scalar.F32):
    _number(_type, "f")


@native("simprint.fmt")
def _fmt(ev: Evaluator, callee: LibraryFunction, node: syntax.Call) -> Value:
    return _print(ev, callee, [*_formatted(ev, node), "\n"], node)


@native("simprint.fmt_no_nl")
def _fmt_no_nl(ev: Evaluator, callee: LibraryFunction, node: syntax.Call) -> Value:
    return _print(ev, callee, _formatted(ev, node), node)


@native("simprint.fmt_with_coords")
def _fmt_with_coords(ev: Evaluator, callee: LibraryFunction, node: syntax.Call) -> Value:
    return _print(ev, callee, [*_formatted(ev, node), "\n"], node, with_coordinates=True)


def _formatted(ev: Evaluator, node: syntax.Call) -> list[str | core.Shown]:
    """Text and values of a format string: `{d}`, `{X}`, `{b}`, `{f}` take a value, `{{` is `{`."""
    first, second = arguments(node, 2, name="fmt")
    values = ev.value(second)
    if not isinstance(values, StructValue) or not values.is_tuple:
        raise CslError(f"values are a tuple, not {ev.name_of(values)}", second.at)
    text, left = ev.text(first), list(values.fields.values())
    parts: list[str | core.Shown] = []
    end = 0
    for match in _PLACE.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        if match[0] == "{{":
            parts.append("{")
            continue
        if match[1] not in _FORMS:
            raise CslError(f"{match[0]!r} in a format", first.at, help="{d}, {X}, {b}, {f} or {{")
        if not left:
            raise CslError("the format has more places than there are values", node.at)
        parts.append(_shown(ev, left.pop(0), _FORMS[match[1]], second.at))
    if left:
        raise CslError(f"the format has no place for {len(left)} values", node.at)
    return [*parts, text[end:]]


def _shown(ev: Evaluator, value: Value, form: Form, at: Location) -> str | core.Shown:
    type = type_of(value)
    fits = is_float(type) if form == "f" else is_integer(type) or type is Meta.COMPTIME_INT
    if not fits:
        raise CslError(f"{{{form}}} of a value of type {type_name(type)}", at)
    if isinstance(value, Known) and type is Meta.COMPTIME_INT:
        return show(ev.uniform(value), Scalar.U32, form)
    assert scalar_of(type) is not None
    return core.Shown(to_core(ev, value, at), form)


def _print(
    ev: Evaluator,
    callee: LibraryFunction,
    parts: list[str | core.Shown],
    node: syntax.Call,
    *,
    with_coordinates: bool = False,
) -> Value:
    if ev.is_comptime:
        raise CslError(f"{callee.name} runs at run time only", node.at)
    enable = callee.params.get("enable")
    if enable is None or ev.uniform(ev.truth(enable, node.at)):
        filled = tuple(part for part in parts if part)
        ev.out.append(core.Print(filled, with_coordinates, node.at))
    return Void()
