"""Programs to text: canonical, so that equal programs print alike and the parser loses nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from waferc_ir.diagnostics import Location
from waferc_ir.dtypes import DType
from waferc_ir.ops.declare import Op
from waferc_ir.ops.signature import FieldKind, signature
from waferc_ir.program import Program, Statement, Value
from waferc_ir.types import Buffer, Layout, Path, Region, TensorType, TiledType, Type

_BARE_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")
_PLACE = re.compile(r"[^\n\r]+")


def print_program(program: Program, *, places: bool = False) -> str:
    """The text of a program; with `places`, the user's line stands behind each statement.

    Values are numbered in the order of their statements. A value that no statement defines
    prints as `%?`, which does not parse: such a program does not verify either.
    """
    head = f"{program.kind} {symbol(program.name)}"
    if program.attributes:
        head += (
            f" {_braces({key: _scalar(content) for key, content in program.attributes.items()})}"
        )
    numbers = value_numbers(program)
    body = [
        *map(_region, program.regions),
        *map(_path, program.paths),
        *map(_buffer, program.buffers),
    ]
    for statement in program.statements:
        line = statement_text(statement, numbers)
        place = _place(statement.at) if places else None
        body.append(line if place is None else f"{line} // {place}")
    return "\n".join([f"{head} {{", *(f"  {line}" for line in body), "}"]) + "\n"


def value_numbers(program: Program) -> dict[Value, int]:
    """The number of every value that a statement of the program defines."""
    results = (s.result for s in program.statements if s.result is not None)
    return {value: number for number, value in enumerate(results)}


def statement_text(statement: Statement, numbers: Mapping[Value, int]) -> str:
    """One statement as it stands in a program, without indentation and place."""
    text = op_text(statement.op, numbers)
    if statement.result is None:
        return text
    return f"{_value(statement.result, numbers)} = {text} : {type_text(statement.result.type)}"


def op_text(op: Op, numbers: Mapping[Value, int]) -> str:
    """An operation with its operands and the attributes that differ from their defaults."""
    operands: list[str] = []
    attributes: dict[str, str] = {}
    for field in signature(type(op)):
        content = vars(op)[field.name]
        if field.kind is FieldKind.VALUES:
            operands.append(f"[{', '.join(_value(value, numbers) for value in content)}]")
        elif field.kind.is_operand:
            operands.append("none" if content is None else _value(content, numbers))
        else:
            text = attribute_text(field.kind, content)
            if field.required or text != attribute_text(field.kind, field.default):
                attributes[field.name] = text
    words = [op.name]
    if operands:
        words.append(", ".join(operands))
    if attributes:
        words.append(_braces(attributes))
    return " ".join(words)


def attribute_text(kind: FieldKind, content: object) -> str:
    """An attribute's value as it is written."""
    match content:
        case str() if kind is FieldKind.REGION:
            return symbol(content)
        case str() if kind is FieldKind.AXIS:
            return content
        case int() | float() if kind is FieldKind.FLOAT:
            return repr(float(content))
        case bool() | int() | float() | str():
            return _scalar(content)
        case DType() | Layout():
            return str(content)
        case tuple():
            return _ints(content)  # pyright: ignore[reportUnknownArgumentType]
        case _:
            raise TypeError(f"no text form for {content!r}")


def type_text(type: Type) -> str:
    """A type as it stands behind a statement."""
    match type:
        case TensorType():
            return str(type)
        case TiledType():
            shape = TensorType(type.shape, type.dtype)
            inner = str(shape).removeprefix("tensor<").removesuffix(">")
            return f"tiled<{inner} {symbol(type.region)} {type.layout}>"


def symbol(name: str) -> str:
    """A program's, region's or buffer's name: `@r0`, in quotes where it is no identifier."""
    return f"@{name}" if _BARE_SYMBOL.fullmatch(name) else f"@{_string(name)}"


def _value(value: Value, numbers: Mapping[Value, int]) -> str:
    return f"%{numbers[value]}" if value in numbers else "%?"


def _scalar(content: str | int | float | bool) -> str:
    match content:
        case bool():
            return "true" if content else "false"
        case str():
            return _string(content)
        case int() | float():
            return repr(content)


def _string(text: str) -> str:
    # JSON's escapes, ASCII only: the text survives any encoding
    return json.dumps(text)


def _braces(attributes: Mapping[str, str]) -> str:
    return f"{{{', '.join(f'{key} = {text}' for key, text in attributes.items())}}}"


def _ints(numbers: Iterable[int]) -> str:
    return f"[{', '.join(map(str, numbers))}]"


def _region(region: Region) -> str:
    attributes = {"width": str(region.width), "height": str(region.height)}
    if region.x is not None:
        attributes["x"] = str(region.x)
    if region.y is not None:
        attributes["y"] = str(region.y)
    if region.colors:
        attributes["colors"] = _ints(region.colors)
    if region.stream_colors:
        attributes["stream_colors"] = _ints(region.stream_colors)
    if region.lines:
        attributes["lines"] = _ints(region.lines)
    return f"region {symbol(region.name)} {_braces(attributes)}"


def _path(path: Path) -> str:
    attributes = {
        "stream": str(path.stream),
        "row": str(path.row),
        "color": str(path.color),
        "corners": f"[{', '.join(_ints(corner) for corner in path.corners)}]",
    }
    return f"path {_braces(attributes)}"


def _buffer(buffer: Buffer) -> str:
    attributes = {
        "region": symbol(buffer.region),
        "dtype": str(buffer.dtype),
        "elements": str(buffer.elements),
        "values": _ints(buffer.values),
    }
    return f"buffer {symbol(buffer.name)} {_braces(attributes)}"


def _place(at: Location | None) -> str | None:
    # a file name with a line break in it cannot stand in a comment
    return str(at) if at is not None and _PLACE.fullmatch(str(at)) else None
