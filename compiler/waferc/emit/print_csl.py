"""Statements of a PE program as CSL text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import assert_never

from waferc.emit.pe_program import (
    Affine,
    Array,
    CallVectors,
    Descriptor,
    DsdOperation,
    Fabric,
    For,
    If,
    Immediate,
    LetDsd,
    LetScalar,
    Loaded,
    LoadRegister,
    MapOperation,
    Memory,
    Moved,
    Named,
    Operand,
    PeFunction,
    Pointer,
    Register,
    Scalar,
    SetLength,
    Statement,
)

_INDEX = "ijkl"
_INDENT = "  "


def affine(index: Affine) -> str:
    """An index expression."""
    text = ""
    for name, coefficient in index.terms:
        sign = "-" if coefficient < 0 else "+"
        size = abs(coefficient)
        term = name if size == 1 else f"{name} * {size}"
        text = f"{text} {sign} {term}" if text else (f"-{term}" if sign == "-" else term)
    if index.constant or not text:
        sign = "-" if index.constant < 0 else "+"
        text = f"{text} {sign} {abs(index.constant)}" if text else str(index.constant)
    return text


def number(value: float, element: str) -> str:
    """A scalar constant; infinities and NaN by their bits."""
    if element in ("i32", "i16"):
        return str(int(value))
    if math.isfinite(value):
        mantissa, e, exponent = repr(float(value)).partition("e")
        return f"{mantissa if '.' in mantissa else mantissa + '.0'}{e}{exponent}"
    short = {math.inf: "0x7c00", -math.inf: "0xfc00"}.get(value, "0x7e00")
    long = {math.inf: "0x7f800000", -math.inf: "0xff800000"}.get(value, "0x7fc00000")
    if element == "f16":
        return f"@bitcast(f16, @as(u16, {short}))"
    return f"@bitcast(f32, @as(u32, {long}))"


class FunctionPrinter:
    """Prints one function: DSDs known at compile time first, under names, then the statements."""

    def __init__(self, function: PeFunction) -> None:
        self._function = function
        self._names: dict[Memory | Fabric, str] = {}
        self._taken: set[str] = set()

    def text(self) -> str:
        """The whole function with its comment."""
        body = list(self._block(self._function.body, _INDENT))
        declared = [
            f"{_INDENT}const {name} = {_declaration(dsd)};" for dsd, name in self._names.items()
        ]
        head = f"fn {self._function.name}() void {{"
        return "\n".join([f"// {self._function.comment}", head, *declared, *body, "}"])

    def _name(self, dsd: Memory | Fabric) -> str:
        key = _without_role(dsd)
        if key not in self._names:
            role = dsd.role if isinstance(dsd, Memory) else f"{dsd.port.name}_{dsd.port.direction}"
            name, count = f"{role}_dsd", 2
            while name in self._taken:
                name, count = f"{role}{count}_dsd", count + 1
            self._taken.add(name)
            self._names[key] = name
        return self._names[key]

    def _operand(self, operand: Operand) -> str:
        match operand:
            case Memory() | Fabric():
                return self._name(operand)
            case Named(name=name) | Register(name=name):
                return name
            case Moved(base=base, by=by):
                return f"@increment_dsd_offset({self._operand(base)}, {affine(by)}, {base.element})"
            case Immediate(value=value, element=element):
                return number(value, element)
            case Loaded(array=array, index=index):
                return f"{array.name}[{affine(_behind(array, index))}]"
            case Pointer(array=array, index=index):
                return f"&{array.name}[{affine(_behind(array, index))}]"
            case Scalar(text=text):
                return text
            case _:
                assert_never(operand)

    def _operands(self, operands: Iterable[Operand]) -> str:
        return ", ".join(self._operand(operand) for operand in operands)

    def _block(self, statements: Sequence[Statement], indent: str) -> Iterator[str]:
        for statement in statements:
            yield from self._statement(statement, indent)

    def _statement(self, statement: Statement, indent: str) -> Iterator[str]:
        match statement:
            case DsdOperation(name=name, dest=dest, sources=sources):
                yield f"{indent}@{name}({self._operands((dest, *sources))});"
            case MapOperation(function=function, inputs=inputs, output=output):
                yield f"{indent}@map({function}, {self._operands((*inputs, output))});"
            case CallVectors(function=function, operands=operands):
                yield f"{indent}{function}({self._operands(operands)});"
            case LetDsd(name=name, value=value):
                yield f"{indent}const {name} = {self._operand(value)};"
            case LoadRegister(name=name, value=value, saves=saves):
                config = ", .{ .save_address = true }" if saves else ""
                yield f"{indent}@load_to_dsr({name}, {self._operand(value)}{config});"
            case SetLength(name=name, base=base, length=length):
                yield f"{indent}const {name} = @set_dsd_length({self._operand(base)}, {length});"
            case LetScalar(name=name, type=type, expression=expression):
                word = "var" if statement.mutable else "const"
                yield f"{indent}{word} {name}: {type} = {expression};"
            case For(variable=variable, start=start, stop=stop, body=body):
                bounds = f"{start}, {stop}, 1" if start else f"{stop}"
                yield f"{indent}for (@range(i16, {bounds})) |{variable}| {{"
                yield from self._block(body, indent + _INDENT)
                yield f"{indent}}}"
            case If(branches=branches, otherwise=otherwise):
                word = "if"
                for condition, body in branches:
                    yield f"{indent}{word} ({condition}) {{"
                    yield from self._block(body, indent + _INDENT)
                    word = "} else if"
                if otherwise:
                    yield f"{indent}}} else {{"
                    yield from self._block(otherwise, indent + _INDENT)
                yield f"{indent}}}"
            case _:
                assert_never(statement)


def _behind(array: Array, index: Affine) -> Affine:
    """An index behind the array's lead."""
    return index.plus(Affine(array.lead))


def _without_role(dsd: Memory | Fabric) -> Memory | Fabric:
    if isinstance(dsd, Fabric):
        return dsd
    return Memory("", dsd.array, dsd.extents, dsd.strides, dsd.offset)


def _declaration(dsd: Descriptor) -> str:
    match dsd:
        case Memory():
            variables = _INDEX[: len(dsd.extents)]
            terms = tuple((v, s) for v, s in zip(variables, dsd.strides, strict=True) if s)
            index = affine(_behind(dsd.array, Affine(dsd.offset, terms)))
            extents = ", ".join(map(str, dsd.extents))
            access = f"|{', '.join(variables)}|{{{extents}}} -> {dsd.array.name}[{index}]"
            kind = "mem1d_dsd" if dsd.is_vector else "mem4d_dsd"
            return f"@get_dsd({kind}, .{{ .tensor_access = {access} }})"
        case Fabric(port=port, elements=elements, extent=extent, is_packed=is_packed):
            packing = ", .simd_mode = .{ .simd_32 = true }" if is_packed else ""
            kind, field = ("fabin_dsd", "input") if port.direction == "in" else (
                "fabout_dsd", "output")  # fmt: skip
            return (
                f"@get_dsd({kind}, .{{ .fabric_color = {port.name}_color,"
                f" .extent = {extent or elements},"
                f" .{field}_queue = {port.name}_{port.direction}{packing} }})"
            )
        case Moved() | Named() | Register():
            raise AssertionError("only DSDs known at compile time are declared")
