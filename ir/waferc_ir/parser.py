"""Text to programs, with places: names, operands and attributes get their meaning here."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from waferc_ir.decode import Scalar, decode, integer, mismatch, scalar, symbol, type_of
from waferc_ir.diagnostics import Location, WaferError, collect, counted
from waferc_ir.ops import OPS
from waferc_ir.ops.declare import Op
from waferc_ir.ops.signature import FieldKind, OpField, signature
from waferc_ir.printer import type_text
from waferc_ir.program import Kind, Program, Statement, Value
from waferc_ir.syntax import Attribute, Item, Listing, ParseError, Word, read_document
from waferc_ir.types import Buffer, Path, Region

Given = TypeVar("Given")
Read = TypeVar("Read")

_KINDS: tuple[Kind, ...] = ("graph", "tiled")
_MAX_PROBLEMS = 50

_REGION = (
    OpField("width", FieldKind.INT, required=True),
    OpField("height", FieldKind.INT, required=True),
    OpField("x", FieldKind.INT, required=False),
    OpField("y", FieldKind.INT, required=False),
    OpField("colors", FieldKind.INTS, required=False, default=()),
    OpField("stream_colors", FieldKind.INTS, required=False, default=()),
    OpField("lines", FieldKind.INTS, required=False, default=()),
)
_PATH = (
    OpField("stream", FieldKind.INT, required=True),
    OpField("row", FieldKind.INT, required=True),
    OpField("color", FieldKind.INT, required=True),
    OpField("corners", FieldKind.CORNERS, required=True),
)
_BUFFER = (
    OpField("region", FieldKind.REGION, required=True),
    OpField("dtype", FieldKind.DTYPE, required=True),
    OpField("elements", FieldKind.INT, required=True),
    OpField("values", FieldKind.INTS, required=True),
)


def parse(text: str, file: str = "<text>") -> Program:
    """The program that a text states. Rules of the IR are `verify`'s business.

    A statement's place is the one in the comment behind it (`// model.py:41:20`), and its own
    place in `file` where there is none.

    Raises:
        ParseError: the text is not understood; independent problems come together.
    """
    document = read_document(text, file)
    reading = _Reading()
    kind = reading.kind(document.kind)
    name = reading.attempt(symbol, document.name) or ""
    attributes = reading.program_attributes(document.attributes)
    for item in document.items:
        reading.item(item)
    buffers = reading.numbered_buffers()
    error = collect(reading.problems[:_MAX_PROBLEMS])
    if error is not None:
        raise error
    return Program(
        kind,
        name,
        tuple(reading.statements),
        tuple(reading.regions),
        tuple(reading.paths),
        buffers,
        attributes,
    )


class _Reading:
    """What has been read of a program, and what was wrong with it."""

    def __init__(self) -> None:
        self.problems: list[WaferError] = []
        self.statements: list[Statement] = []
        self.regions: list[Region] = []
        self.paths: list[Path] = []
        self.buffers: list[tuple[Buffer, Location]] = []
        # by the number in the text; None where the statement was not understood
        self.values: dict[int, Value | None] = {}

    def attempt(self, read: Callable[[Given], Read], given: Given) -> Read | None:
        """`read(given)`, or None with its error noted."""
        try:
            return read(given)
        except ParseError as problem:
            self.problems.append(problem)
            return None

    def problem(self, message: str, at: Location, help: str | None = None) -> None:
        self.problems.append(ParseError(message, at, help=help))

    def kind(self, word: Word) -> Kind:
        for kind in _KINDS:
            if kind == word.text:
                return kind
        raise ParseError(
            f"no kind of program is called {word.text!r}",
            word.at,
            help="programs are graph or tiled",
        )

    def program_attributes(self, written: Sequence[Attribute]) -> dict[str, Scalar]:
        known: dict[str, Scalar] = {}
        for attribute in written:
            key = attribute.key
            if key.text in known:
                self.problem(f"attribute {key.text} is given twice", key.at)
            try:
                known[key.text] = scalar(attribute.content, f"attribute {key.text}")
            except ParseError as problem:
                self.problems.append(problem)
        return known

    def item(self, item: Item) -> None:
        match item.name.text:
            case "region":
                content = self.declaration(item, _REGION, named=True)
                if content is not None:
                    self.regions.append(Region(**content))
            case "path":
                content = self.declaration(item, _PATH, named=False)
                if content is not None:
                    self.paths.append(Path(**content))
            case "buffer":
                content = self.declaration(item, _BUFFER, named=True)
                if content is not None:
                    self.buffers.append((Buffer(**content), item.name.at))
            case _:
                self.statement(item)

    def declaration(
        self, item: Item, fields: Sequence[OpField], *, named: bool
    ) -> dict[str, Any] | None:
        """Fields of a region, path or buffer by name; None if something is wrong."""
        what = item.name.text
        if item.result is not None or item.operands or item.type is not None:
            self.problem(f"a {what} has no result, operands or type", item.name.at)
            return None
        if named != (item.symbol is not None):
            form = f"{what} @name {{...}}" if named else f"{what} {{...}}"
            self.problem(f"a {what} is written {form}", item.name.at)
            return None
        content = self.attributes(item.attributes, fields, item.name)
        if content is not None and item.symbol is not None:
            name = self.attempt(symbol, item.symbol)
            return None if name is None else content | {"name": name}
        return content

    def statement(self, item: Item) -> None:
        result = self.result(item)
        op = self.operation(item)
        if op is not None:
            if op.results == 1 and item.type is None:
                self.problem(
                    f"the type of the result of {op.name} is missing", item.name.at, _computed(op)
                )
            self.statements.append(Statement(op, result, item.place or item.name.at))

    def result(self, item: Item) -> Value | None:
        """The value that an item defines. It is known to what follows even if the item is bad."""
        type = None if item.type is None else self.attempt(type_of, item.type)
        value = None if type is None or item.result is None else Value(type)
        if item.result is not None:
            number = self.attempt(_number, item.result)
            if number is not None and number in self.values:
                self.problem(f"{item.result.text} is defined twice", item.result.at)
            elif number is not None:
                self.values[number] = value
        return value

    def operation(self, item: Item) -> Op | None:
        name = item.name
        if name.text not in OPS:
            self.problem(f"no op is called {name.text}", name.at, _known_ops(name.text))
            return None
        op = OPS[name.text]
        if item.symbol is not None:
            self.problem(f"{name.text} takes no symbol before its operands", item.symbol.at)
        if op.results == 0 and (item.result is not None or item.type is not None):
            self.problem(f"{name.text} has no result", name.at)
        if op.results == 1 and item.result is None:
            self.problem(
                f"the result of {name.text} has no number", name.at, f"%0 = {name.text} ..."
            )
        fields = signature(op)
        operands = self.operands(item, [field for field in fields if field.kind.is_operand])
        attributes = self.attributes(
            item.attributes, [field for field in fields if not field.kind.is_operand], name
        )
        if operands is None or attributes is None:
            return None
        return op(**operands, **attributes)

    def operands(self, item: Item, fields: Sequence[OpField]) -> dict[str, Any] | None:
        if len(item.operands) != len(fields):
            names = f" ({', '.join(field.name for field in fields)})" if fields else ""
            optional = any(field.kind is FieldKind.OPTIONAL_VALUE for field in fields)
            self.problem(
                f"{item.name.text} takes {counted(len(fields), 'operand')}{names}"
                f" and gets {len(item.operands)}",
                item.name.at,
                "none stands for an operand that is left out" if optional else None,
            )
            return None
        operands: dict[str, Any] = {}
        for node, field in zip(item.operands, fields, strict=True):
            try:
                operands[field.name] = self.operand(node, field, item.name.text)
            except ParseError as problem:
                self.problems.append(problem)
            except _NotUnderstoodError:
                pass
        return operands if len(operands) == len(fields) else None

    def operand(self, node: Word | Listing, field: OpField, op: str) -> object:
        """The value, values or None that an operand names."""
        what = f"operand {field.name} of {op}"
        if isinstance(node, Listing):
            if field.kind is not FieldKind.VALUES:
                raise mismatch(field.kind, "a list", node, what)
            return tuple(self.value(word) for word in node.items if isinstance(word, Word))
        if node.kind == "NONE" and field.kind is FieldKind.OPTIONAL_VALUE:
            return None
        if node.kind == "NONE" or field.kind is FieldKind.VALUES:
            raise mismatch(field.kind, node.text, node, what)
        return self.value(node)

    def value(self, word: Word) -> Value:
        number = _number(word)
        if number not in self.values:
            raise ParseError(f"{word.text} is not defined before this line", word.at)
        value = self.values[number]
        if value is None:
            raise _NotUnderstoodError
        return value

    def attributes(
        self, written: Sequence[Attribute], fields: Sequence[OpField], owner: Word
    ) -> dict[str, Any] | None:
        """Attributes by name, defaults included; None if something is wrong."""
        found = len(self.problems)
        known = {field.name: field for field in fields}
        content: dict[str, Any] = {}
        for attribute in written:
            key = attribute.key
            if key.text not in known:
                self.problem(
                    f"{owner.text} has no attribute {key.text!r}", key.at, _offer(key.text, known)
                )
            elif key.text in content:
                self.problem(f"attribute {key.text} is given twice", key.at)
            else:
                content[key.text] = None
                what = f"attribute {key.text} of {owner.text}"
                try:
                    content[key.text] = decode(known[key.text].kind, attribute.content, what)
                except ParseError as problem:
                    self.problems.append(problem)
        missing = [f.name for f in fields if f.required and f.name not in content]
        if missing:
            self.problem(
                f"{owner.text} misses {', '.join(missing)}",
                owner.at,
                f"its attributes: {', '.join(known)}",
            )
        if len(self.problems) > found:
            return None
        return {field.name: content.get(field.name, field.default) for field in fields}

    def numbered_buffers(self) -> tuple[Buffer, ...]:
        """Buffers, with the order of results in place of the numbers of the text."""
        order = {number: index for index, number in enumerate(self.values)}
        for buffer, at in self.buffers:
            for number in buffer.values:
                if number not in order:
                    self.problem(f"no statement defines %{number}", at)
        return tuple(
            replace(buffer, values=tuple(order[number] for number in buffer.values))
            for buffer, _ in self.buffers
            if all(number in order for number in buffer.values)
        )


class _NotUnderstoodError(Exception):
    """An operand comes from a statement that has been refused already."""


def _number(word: Word) -> int:
    return integer(Word("INT", word.text.removeprefix("%"), word.at))


def _known_ops(name: str) -> str:
    """What an operation that does not exist may have meant."""
    family, _, last = name.rpartition(".")
    known = [op for op in OPS if op.rpartition(".")[0] == family] or list(OPS)
    close = difflib.get_close_matches(last, [op.rpartition(".")[2] for op in known], n=1)
    if close:
        meant = [op for op in known if op.rpartition(".")[2] == close[0]]
        return f"did you mean {' or '.join(meant)}?"
    return f"known: {', '.join(known)}"


def _offer(key: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(key, names, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"its attributes: {', '.join(names)}" if names else "it has no attributes"


def _computed(op: Op) -> str | None:
    """The type that belongs behind a statement, if its operands are right."""
    try:
        type = op.result_type()
    except WaferError:
        return None
    return None if type is None else f"it is {type_text(type)}"
