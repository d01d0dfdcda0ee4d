"""Limits of what is read, and details of the text that golden files do not show."""

from __future__ import annotations

import math
import time

import pytest

from waferc_ir import parse, print_program, syntax
from waferc_ir.ops.graph_structure import Fill, Output
from waferc_ir.syntax import ParseError

HEAD = "graph @g {\n"
X = '  %0 = graph.input {label = "x", shape = [4], dtype = f32} : tensor<4xf32>\n'


def _fill(value: str) -> float:
    text = f"{HEAD}%0 = graph.fill {{value = {value}, shape = [], dtype = f32}} : tensor<f32>\n}}"
    op = parse(text).statements[0].op
    assert isinstance(op, Fill)
    return op.value


@pytest.mark.parametrize("number", [0.1, -0.0, 1e-45, 1e308, math.pi, -1e22, math.inf, -math.inf])
def test_floats_come_back_bit_for_bit(number: float) -> None:
    assert _fill(repr(number)).hex() == number.hex()
    assert math.isnan(_fill("nan"))


def test_integers_are_numbers_where_numbers_are_wanted() -> None:
    assert _fill("3") == 3.0
    assert isinstance(_fill("3"), float)


@pytest.mark.parametrize(
    "label", ['"', "\\", "\n", "\t", "é", "\u2028", "\U0001f600", "\x7f", "//"]
)
def test_labels_come_back(label: str) -> None:
    program = parse(f'{HEAD}{X}  graph.output %0 {{label = "z"}}\n}}')
    *rest, last = program.statements
    assert isinstance(last.op, Output)
    op = Output(last.op.x, label)
    text = print_program(program.with_statements([*rest, type(last)(op, None)]))
    assert text.isascii()
    parsed = parse(text).statements[-1].op
    assert isinstance(parsed, Output)
    assert parsed.label == label


def test_a_place_in_a_comment_is_the_statements_place() -> None:
    text = f"{HEAD}{X.rstrip()} // /home/me/my model.py:41:20\n}}"
    assert str(parse(text).statements[0].at) == "/home/me/my model.py:41:20"


def test_another_comment_is_no_place() -> None:
    at = parse(f"{HEAD}{X.rstrip()} // from the paper\n}}", "own.wir").statements[0].at
    assert at is not None
    assert str(at) == "own.wir:2:8"
    assert at.text == f"{X.rstrip()} // from the paper"


def test_numbers_follow_the_order_of_statements() -> None:
    text = f'{HEAD}{X.replace("%0", "%7")}%3 = graph.unary %7 {{fn = "exp"}} : tensor<4xf32>\n}}'
    assert '%1 = graph.unary %0 {fn = "exp"}' in print_program(parse(text))


def test_lines_may_end_as_on_other_systems() -> None:
    text = f"{HEAD}{X}}}\n"
    assert print_program(parse(text.replace("\n", "\r\n"))) == text


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        HEAD + "x = " + "{" * 100_000,
        f"{HEAD}%0 = graph.fill {{value = 1{'0' * 100_000}}} : tensor<f32>\n}}",
        f"{HEAD}%{'1' * 100_000} = graph.fill : tensor<f32>\n}}",
        f"{HEAD}%0 = graph.fill : tensor<{'1x' * 50_000}f99>\n}}",
        f"{HEAD}%0 = {'a.' * 50_000}b : tensor<f32>\n}}",
        f'{HEAD}graph.output %0 {{label = "{"x" * 200_000}',
        "\\" * 100_000,
    ],
    ids=["lists", "braces", "number", "value", "shape", "name", "string", "escapes"],
)
def test_hostile_text_is_refused_soon(text: str) -> None:
    start = time.monotonic()
    with pytest.raises(ParseError) as caught:
        parse(text)
    assert len(caught.value.render().splitlines()) > 1
    assert time.monotonic() - start < 5


def test_a_text_that_is_too_long_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "MAX_TEXT_CHARACTERS", 1000)
    with pytest.raises(ParseError, match="has 2,000 characters, and at most 1,000 are read"):
        parse(" " * 2000, "own.wir")


def test_many_problems_are_cut_short() -> None:
    with pytest.raises(ParseError) as caught:
        parse(f"{HEAD}{'foo ' * 500}}}")
    assert 1 + len(caught.value.related) == 50


@pytest.mark.parametrize("sign", ["", "-"])
def test_integers_have_63_bits(sign: str) -> None:
    largest = f"{sign}{2**63 - 1}"
    assert parse(f"graph @g {{seed = {largest}}} {{\n}}").attributes == {"seed": int(largest)}
    with pytest.raises(ParseError, match=r"a number is larger than 9,223,372,036,854,775,807"):
        parse(f"graph @g {{seed = {sign}{2**63}}} {{\n}}")
