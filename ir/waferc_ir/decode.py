"""Syntax nodes to the values of attributes: numbers, strings, element types, layouts."""

from __future__ import annotations

import json
from typing import Any

from waferc_ir.dtypes import DTYPES, DType
from waferc_ir.ops.signature import FieldKind
from waferc_ir.syntax import Cut, Listing, ParseError, TypeNode, Word
from waferc_ir.types import (
    AXES,
    Axis,
    Layout,
    Partial,
    ReduceFn,
    Split,
    TensorType,
    TiledType,
    Type,
)

MAX_INTEGER = (1 << 63) - 1
_REDUCE_FNS: tuple[ReduceFn, ...] = ("sum", "max", "min")
_TRUTH = {"true": True, "false": False}
_NAMED_FLOATS = {"inf": float("inf"), "nan": float("nan")}

Scalar = str | int | float | bool


def decode(kind: FieldKind, content: Word | Listing, what: str) -> Any:
    """The value of an attribute of kind `kind`; `what` names the attribute in messages.

    Raises:
        ParseError: the content is of another kind, or a number is too large.
    """
    if isinstance(content, Listing):
        if kind is FieldKind.INTS:
            return integers(content, what)
        if kind is FieldKind.LAYOUT:
            return layout(content)
        if kind is FieldKind.CORNERS:
            return tuple(_corner(item, content, what) for item in content.items)
        raise mismatch(kind, "a list", content, what)
    match kind:
        case FieldKind.BOOL if content.kind == "NAME" and content.text in _TRUTH:
            return _TRUTH[content.text]
        case FieldKind.INT if content.kind == "INT":
            return integer(content)
        case FieldKind.FLOAT if content.kind in ("INT", "FLOAT") or _is_named_float(content):
            return number(content)
        case FieldKind.STRING if content.kind == "STRING":
            return string(content)
        case FieldKind.DTYPE if content.kind == "NAME":
            return element_type(content)
        case FieldKind.AXIS if content.kind == "NAME":
            return axis(content)
        case FieldKind.REGION if content.kind == "SYMBOL":
            return symbol(content)
        case _:
            raise mismatch(kind, content.text, content, what)


def mismatch(kind: FieldKind, found: str, content: Word | Listing, what: str) -> ParseError:
    """The error for content that is not of the kind wanted."""
    return ParseError(f"{what} takes {kind.value}, not {found}", content.at)


def integer(word: Word) -> int:
    """An integer of at most 63 bits."""
    # lengths first: int() of a very long text is slow, and refused
    digits = word.text.lstrip("-").lstrip("0")
    if len(digits) > len(str(MAX_INTEGER)) or int(digits or "0") > MAX_INTEGER:
        raise ParseError(f"a number is larger than {MAX_INTEGER:,}", word.at)
    value = int(digits or "0")
    return -value if word.text.startswith("-") else value


def integers(content: Listing, what: str) -> tuple[int, ...]:
    """A list of integers."""
    numbers: list[int] = []
    for item in content.items:
        if not isinstance(item, Word) or item.kind != "INT":
            at = item.axis.at if isinstance(item, Cut) else item.at
            raise ParseError(f"{what} takes integers in its list", at)
        numbers.append(integer(item))
    if content.partials:
        raise ParseError(f"{what} is no layout", content.partials[0][0].at)
    return tuple(numbers)


def number(word: Word) -> float:
    """A floating-point number; integers count as such."""
    if word.text in _NAMED_FLOATS:
        return _NAMED_FLOATS[word.text]
    return float(integer(word)) if word.kind == "INT" else float(word.text)


def string(word: Word) -> str:
    """A string in quotes, with JSON's escapes."""
    try:
        text = json.loads(word.text)
    except json.JSONDecodeError:
        raise ParseError(
            "the string has a control character or an escape that is not understood",
            word.at,
            help=r"escapes are \" \\ \/ \b \f \n \r \t \u0041",
        ) from None
    assert isinstance(text, str)
    return text


def symbol(word: Word) -> str:
    """The name behind `@`."""
    body = word.text.removeprefix("@")
    if not body.startswith('"'):
        return body
    return string(Word("STRING", body, word.at))


def scalar(content: Word | Listing, what: str) -> Scalar:
    """An attribute of a program: a string, number, true or false."""
    if isinstance(content, Word):
        if content.kind == "STRING":
            return string(content)
        if content.kind == "INT":
            return integer(content)
        if content.kind == "FLOAT" or _is_named_float(content):
            return number(content)
        if content.text in _TRUTH:
            return _TRUTH[content.text]
    raise ParseError(f"{what} takes a string, a number, true or false", content.at)


def element_type(word: Word) -> DType:
    """An element type by its name."""
    if word.text not in DTYPES:
        raise ParseError(
            f"no element type is called {word.text!r}", word.at, help=f"known: {', '.join(DTYPES)}"
        )
    return DTYPES[word.text]


def axis(word: Word) -> Axis:
    """`x` or `y`."""
    for known in AXES:
        if known == word.text:
            return known
    raise ParseError(f"no axis is called {word.text!r}", word.at, help="axes are x and y")


def layout(content: Listing) -> Layout:
    """A layout; its rules are the verifier's business."""
    splits: list[Split | None] = []
    for item in content.items:
        match item:
            case Cut():
                first = 0 if item.first is None else integer(item.first)
                splits.append(Split(axis(item.axis), integer(item.block), first))
            case Word(kind="STAR"):
                splits.append(None)
            case _:
                raise ParseError(
                    "a layout takes * for a whole dimension or a split such as x/16", item.at
                )
    partials = tuple(Partial(axis(along), _reduce_fn(fn)) for fn, along in content.partials)
    return Layout(tuple(splits), partials)


def type_of(node: TypeNode) -> Type:
    """A type behind a statement."""
    *extents, dtype = node.shape.text.split("x")
    if not all(extent.isdecimal() for extent in extents):
        raise ParseError(
            f"{node.shape.text!r} is no shape with an element type",
            node.shape.at,
            help="such as 4x8xf32",
        )
    shape = tuple(integer(Word("INT", extent, node.shape.at)) for extent in extents)
    elements = element_type(Word("NAME", dtype, node.shape.at))
    if node.head.text == "tensor" and node.region is None:
        return TensorType(shape, elements)
    if node.head.text == "tiled" and node.region is not None and node.layout is not None:
        return TiledType(shape, elements, symbol(node.region), layout(node.layout))
    raise ParseError(
        f"a type {node.head.text!r} of this form is not known",
        node.head.at,
        help="types are tensor<4x8xf32> and tiled<4x8xf32 @r0 [*, x/16]>",
    )


def _reduce_fn(word: Word) -> ReduceFn:
    for known in _REDUCE_FNS:
        if known == word.text:
            return known
    raise ParseError(
        f"no reduction is called {word.text!r}", word.at, help=f"known: {', '.join(_REDUCE_FNS)}"
    )


def _corner(item: Word | Cut | Listing, within: Listing, what: str) -> tuple[int, int]:
    if not isinstance(item, Listing):
        raise mismatch(FieldKind.CORNERS, "this list", within, what)
    corner = integers(item, what)
    if len(corner) != 2:
        raise ParseError(f"a corner has {len(corner)} numbers, not x and y", item.at)
    return corner[0], corner[1]


def _is_named_float(word: Word) -> bool:
    return word.kind == "NAME" and word.text in _NAMED_FLOATS
