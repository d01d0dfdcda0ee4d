"""Short ways to write types, values and layouts in tests of operations."""

from __future__ import annotations

from waferc_ir.decode import type_of
from waferc_ir.program import Value
from waferc_ir.syntax import read_document
from waferc_ir.types import Layout, TiledType, Type


def typed(text: str) -> Type:
    """The type that a program would state: `tiled<4x8xf32 @r0 [*, x/2]>`."""
    node = read_document(f"graph @types {{ type : {text} }}", "type").items[0].type
    assert node is not None
    return type_of(node)


def value(text: str) -> Value:
    """A value of the type that `text` states."""
    return Value(typed(text))


def tile(layout: str, shape: str = "4x8xf32") -> Value:
    """A value in region r0."""
    return value(f"tiled<{shape} @r0 {layout}>")


def layout(text: str) -> Layout:
    """The layout that `text` states: `[*, x/16] sum(y)`."""
    found = typed(f"tiled<f32 @r0 {text}>")
    assert isinstance(found, TiledType)
    return found.layout
