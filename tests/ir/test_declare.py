"""Declarations of operations: names, kinds of fields, operands."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil

import pytest
from tests.ir.values import value

from waferc_ir import ops
from waferc_ir.ops import graph_compute as compute
from waferc_ir.ops import graph_move as move
from waferc_ir.ops.declare import OPS, Op
from waferc_ir.ops.signature import FieldKind, signature

X, Y = value("tensor<4xf32>"), value("tensor<4xf32>")


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_every_operation_has_a_meaning_and_a_text_form(op: type[Op]) -> None:
    assert op.__doc__
    assert "result_type" in vars(op)
    assert op.results in (0, 1)
    # operands stand before attributes, as they do in the text
    kinds = [field.kind.is_operand for field in signature(op)]
    assert kinds == sorted(kinds, reverse=True)


def test_every_module_of_operations_is_imported() -> None:
    for module in pkgutil.iter_modules(ops.__path__):
        declared = importlib.import_module(f"waferc_ir.ops.{module.name}")
        for content in vars(declared).values():
            if isinstance(content, type) and issubclass(content, Op) and content is not Op:
                assert OPS[content.name] is content


def test_operands_in_order_without_the_missing() -> None:
    assert compute.LayerNorm(X, None, Y, 1, 0.0).operands() == (X, Y)
    assert move.Concat((X, Y, X), 0).operands() == (X, Y, X)


def test_attributes_are_the_fields_that_are_no_operands() -> None:
    assert compute.LayerNorm(X, None, Y, 1, 0.0).attributes() == {"rank": 1, "eps": 0.0}
    assert move.Concat((X,), 0).attributes() == {"dim": 0}


def test_operands_are_replaced_wherever_they_stand() -> None:
    op = move.Concat((X, Y, X), 1).with_operands({X: Y})
    assert op.operands() == (Y, Y, Y)
    assert op.attributes() == {"dim": 1}


def test_a_name_is_declared_once() -> None:
    with pytest.raises(TypeError, match=r"op graph\.unary is declared in waferc_ir\.ops"):
        type("Unary", (Op,), {"__module__": __name__}, name="graph.unary")


def test_operations_are_frozen() -> None:
    op = compute.Unary(X, "exp")
    with pytest.raises(dataclasses.FrozenInstanceError):
        op.__setattr__("fn", "log")


def test_kinds_of_fields() -> None:
    kinds = {field.name: field.kind for field in signature(compute.LayerNorm)}
    assert kinds == {
        "x": FieldKind.VALUE,
        "weight": FieldKind.OPTIONAL_VALUE,
        "bias": FieldKind.OPTIONAL_VALUE,
        "rank": FieldKind.INT,
        "eps": FieldKind.FLOAT,
    }
