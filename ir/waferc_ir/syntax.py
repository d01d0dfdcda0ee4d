"""Text to syntax nodes with places: what is written, before names and numbers mean anything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken

from waferc_ir.diagnostics import Location, WaferError

MAX_TEXT_CHARACTERS = 8 << 20  # a hundred thousand statements, read in about 40 seconds

_PLACE = re.compile(r"\s*//\s*(?P<file>\S.*):(?P<line>[0-9]{1,9}):(?P<column>[0-9]{1,9})\s*")
_WRITTEN = {
    "VALUE": "a value such as %0",
    "SYMBOL": "a symbol such as @r0",
    "STRING": "a string",
    "NONE": "none",
    "NAME": "a name",
    "FLOAT": "a number",
    "INT": "an integer",
    "SHAPE": "a shape such as 4x8xf32",
    "EQUAL": "=",
    "COMMA": ",",
    "COLON": ":",
    "SLASH": "/",
    "STAR": "*",
    "LBRACE": "{",
    "RBRACE": "}",
    "LSQB": "[",
    "RSQB": "]",
    "LPAR": "(",
    "RPAR": ")",
    "LESSTHAN": "<",
    "MORETHAN": ">",
    "$END": "the end",
}


class ParseError(WaferError):
    """The text of a program is not understood."""

    code = "parse"


@dataclass(frozen=True, slots=True)
class Word:
    """One token. `kind` is its name in the grammar (NAME, INT, STRING, VALUE, ...)."""

    kind: str
    text: str
    at: Location


@dataclass(frozen=True, slots=True)
class Cut:
    """`x/16` in a layout, or `x/16+3`."""

    axis: Word
    block: Word
    first: Word | None


@dataclass(frozen=True, slots=True)
class Listing:
    """`[...]`, with `sum(x)` and the like behind it."""

    items: tuple[Word | Cut | Listing, ...]
    partials: tuple[tuple[Word, Word], ...]
    at: Location


@dataclass(frozen=True, slots=True)
class Attribute:
    """`key = content`."""

    key: Word
    content: Word | Listing


@dataclass(frozen=True, slots=True)
class TypeNode:
    """`tensor<4x8xf32>` or `tiled<4x8xf32 @r0 [*, x/16]>`."""

    head: Word
    shape: Word
    region: Word | None
    layout: Listing | None


@dataclass(frozen=True, slots=True)
class Item:
    """A statement or declaration. `place` is the user's line, from the comment behind it."""

    result: Word | None
    name: Word
    symbol: Word | None
    operands: tuple[Word | Listing, ...]
    attributes: tuple[Attribute, ...]
    type: TypeNode | None
    place: Location | None


@dataclass(frozen=True, slots=True)
class Document:
    """A whole program."""

    kind: Word
    name: Word
    attributes: tuple[Attribute, ...]
    items: tuple[Item, ...]


@cache
def _grammar() -> Lark:
    text = files("waferc_ir").joinpath("text.lark").read_text(encoding="utf-8")
    return Lark(text, start="document", parser="lalr", propagate_positions=True)


def read_document(text: str, file: str) -> Document:
    """The syntax of a program.

    Raises:
        ParseError: at the first character or token that fits nowhere.
    """
    if len(text) > MAX_TEXT_CHARACTERS:
        raise ParseError(
            f"{file} has {len(text):,} characters, and at most {MAX_TEXT_CHARACTERS:,} are read"
        )
    reader = _Reader(text, file)
    try:
        tree = _grammar().parse(text)
    except UnexpectedEOF as error:
        raise reader.ended(error.expected) from None
    except UnexpectedToken as error:
        if error.token.type == "$END":
            raise reader.ended(error.accepts or error.expected) from None
        found: Any = error.token
        token = str(found)
        at = reader.place(error.line, error.column, len(token))
        raise ParseError(
            f"{token!r} is unexpected here",
            at,
            help=_expected(error.accepts or error.expected),
        ) from None
    except UnexpectedCharacters as error:
        at = reader.place(error.line, error.column, 1)
        if error.char == '"':
            raise ParseError("the string is not closed on its line", at) from None
        raise ParseError(
            f"character {error.char!r} is unexpected here", at, help=_expected(error.allowed)
        ) from None
    return reader.document(tree)


def _expected(terminals: Any) -> str | None:
    words = [written for name, written in _WRITTEN.items() if name in (terminals or ())]
    return f"expected: {'  '.join(words)}" if words else None


class _Reader:
    """Turns Lark's trees into nodes. The grammar bounds their depth, so recursion is safe."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.lines = text.split("\n")

    def place(self, line: int, column: int, width: int) -> Location:
        return Location(self.file, line, column, width, self.lines[line - 1].rstrip("\r"))

    def ended(self, expected: Any) -> ParseError:
        number = next((n for n in range(len(self.lines), 1, -1) if self.lines[n - 1].strip()), 1)
        at = self.place(number, len(self.lines[number - 1].rstrip()) + 1, 1)
        return ParseError("the text ends within the program", at, help=_expected(expected))

    def word(self, token: Any) -> Word:
        assert isinstance(token, Token)
        assert token.line is not None
        assert token.column is not None
        return Word(token.type, str(token), self.place(token.line, token.column, len(token)))

    def optional(self, token: Any) -> Word | None:
        return None if token is None else self.word(token)

    def document(self, tree: Tree[Any]) -> Document:
        kind, name, attributes, *items = tree.children
        return Document(
            self.word(kind),
            self.word(name),
            self.attributes(attributes),
            tuple(self.item(item) for item in items),
        )

    def item(self, tree: Any) -> Item:
        result, name, symbol, operands, attributes, type = tree.children
        return Item(
            self.optional(result),
            self.word(name),
            self.optional(symbol),
            () if operands is None else tuple(self.node(child) for child in operands.children),
            self.attributes(attributes),
            None if type is None else self.type(type),
            self.origin(tree.meta.end_line, tree.meta.end_column),
        )

    def attributes(self, tree: Any) -> tuple[Attribute, ...]:
        if tree is None:
            return ()
        pairs = (attribute.children for attribute in tree.children)
        return tuple(Attribute(self.word(key), self.node(content)) for key, content in pairs)

    def node(self, tree: Any) -> Word | Listing:
        """A scalar, an operand, or a list of either."""
        if isinstance(tree, Token):
            return self.word(tree)
        if tree.data == "scalar":
            return self.word(tree.children[0])
        return self.listing(tree)

    def listing(self, tree: Any) -> Listing:
        bracket, *children = tree.children
        items: list[Word | Cut | Listing] = []
        partials: list[tuple[Word, Word]] = []
        for child in children:
            if child is None:
                continue
            kind: str = "token" if isinstance(child, Token) else child.data
            if kind == "partial":
                fn, axis = self.words(child)
                partials.append((fn, axis))
            elif kind == "split":
                items.append(self.cut(child))
            else:
                items.append(self.node(child))
        return Listing(tuple(items), tuple(partials), self.word(bracket).at)

    def cut(self, tree: Any) -> Cut:
        axis, block, first = tree.children
        return Cut(self.word(axis), self.word(block), self.optional(first))

    def words(self, tree: Any) -> list[Word]:
        """The tokens of a tree that has nothing else."""
        return [self.word(token) for token in tree.children]

    def type(self, tree: Any) -> TypeNode:
        head, shape, region, layout = tree.children
        return TypeNode(
            self.word(head),
            self.word(shape),
            self.optional(region),
            None if layout is None else self.listing(layout),
        )

    def origin(self, line: int, column: int) -> Location | None:
        """The place that a comment behind line and column names: `// model.py:41:20`."""
        found = _PLACE.fullmatch(self.lines[line - 1][column - 1 :])
        if found is None:
            return None
        return Location(found["file"], int(found["line"]), int(found["column"]))
