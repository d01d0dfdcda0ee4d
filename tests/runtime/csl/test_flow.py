"""Loops, blocks and how they are left: what runs at compile time and at run time is the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runtime.csl.programs import compute

from waferc_ir.diagnostics import WaferError

LIMIT = "n += 1; if (n > 60) { return r; }"


@st.composite
def block(draw: st.DrawFn, depth: int, loops: tuple[str, ...], named: tuple[str, ...]) -> str:
    """A few statements on `r`; `loops` and `named` are labels of what stands around them."""
    parts: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        parts.append(draw(statement(depth, loops, named)))
    return " ".join(parts)


@st.composite
def statement(draw: st.DrawFn, depth: int, loops: tuple[str, ...], named: tuple[str, ...]) -> str:
    number = draw(st.integers(0, 7))
    label = f"l{len(loops) + len(named)}"
    condition = f"r % {draw(st.integers(2, 4))} == {draw(st.integers(0, 1))}"
    kinds = ["add", "add"]
    if depth:
        kinds += ["if", "for", "while", "array", "inline", "block", "value"]
    if loops or named:
        kinds += ["leave", "leave"]
    if loops:
        kinds += ["break", "continue"]

    def inner(loop: str | None = None, name: str | None = None) -> str:
        inside = loops if loop is None else (*loops, loop)
        around = named if name is None else (*named, name)
        return draw(block(depth - 1, inside, around))

    match draw(st.sampled_from(kinds)):
        case "if":
            return f"if ({condition}) {{ {inner()} }} else {{ {inner()} }}"
        case "for":
            body = inner(label)
            return f"{label}: for (@range(i16, 3)) |i| {{ {LIMIT} r += i; {body} }}"
        case "while":
            head = f"var {label}_n: i16 = 0; {label}: while ({label}_n < 3) : ({label}_n += 1)"
            return f"{head} {{ {LIMIT} {inner(label)} }}"
        case "array":
            head = f"{label}: for ([2]i16{{ 3, {number} }}) |v, k|"
            return f"{head} {{ {LIMIT} r += v; {inner(label)} }}"
        case "inline":
            return f"inline for (@range(i16, 2)) |i| {{ r += i; {inner()} }}"
        case "block":
            return f"{label}: {{ {inner(name=label)} }}"
        case "value":
            early = f"if ({condition}) {{ break :{label} r + {number}; }}"
            return f"r = {label}: {{ r += 1; {early} r += 2; break :{label} r * 2; }};"
        case "leave":
            target = draw(st.sampled_from([*loops, *named]))
            return f"if ({condition}) {{ r += {number}; break :{target}; }}"
        case "break":
            return f"if ({condition}) break;"
        case "continue":
            return f"if ({condition}) {{ r += 1; continue; }}"
        case _:
            return f"r += {number};"


@settings(max_examples=60)
@given(block(3, (), ()))
def test_control_flow_is_the_same_at_both_times(body: str) -> None:
    function = f"fn run(start: i16) i16 {{ var n: i16 = 0; var r = start; {body} return r; }}"
    top = f"{function} const early = run(5); var start: i16 = 5;"
    early, late = compute("out[0] = early; out[1] = run(start);", "i16", 2, top)
    assert early == late


BLOCKS: list[tuple[str, int]] = [
    ("const v: i16 = b: { if (x > 3) { break :b x; } else { break :b -x; } }; r = v;", 5),
    ("r = b: { for (@range(i16, 9)) |i| { if (i * i > x) break :b i; } break :b 0; };", 3),
    ("r = if (x == 5) b: { x += 1; break :b x; } else x - 1; r += x;", 12),
    ("r = switch (x) { 5 => b: { x = 7; break :b x; }, else => 0 };", 7),
    ("const y: i16 = 2 * (b: { break :b if (x == 4) x else x + 1; }); r = y;", 12),
    ("b: { r = 1; if (x == 5) break :b; r = 2; }", 1),
    ("if (x == 5 and (b: { r = 4; break :b x > 9; })) { r = 1; }", 4),
    ("if (x == 4 and (b: { r = 4; break :b x > 9; })) { r = 1; }", 0),
    ("while (b: { x -= 1; break :b x > 0; }) { r += x; if (x == 3) continue; r += 1; }", 13),
    ("r = switch (e) { E.A => 3, E.B => 4 };", 4),
    ("switch (x == 5) { true => { r = 1; }, false => { r = 2; } }", 1),
    ("inline for (.{ @as(i16, 3), x, true }) |v| { if (@type_of(v) == i16) { r += v; } }", 8),
    ("inline for ([3]i16{ 1, 2, 4 }) |v, k| { r += v * @as(i16, k); }", 10),
]


@pytest.mark.parametrize(("text", "value"), BLOCKS)
def test_a_block_has_the_value_it_is_left_with(text: str, value: int) -> None:
    top = f"""
const E = enum {{ A, B }};
fn run(start: i16) i16 {{ var r: i16 = 0; var x = start; var e = E.B; {text} return r; }}
var start: i16 = 5;
"""
    assert compute("out[0] = run(start);", "i16", 1, top) == [value]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("break :a;", "nothing around this break is called 'a'"),
        ("a: while (true) { break :a 3; }", "'a' is no block with a value"),
        ("const v: i16 = a: { break :a; };", "'a' is a block with a value"),
        ("const v = a: { if (x > 0) { break :a 1; } break :a 2; };", "comptime_int"),
        ("inline for (p) |v| { x += v; }", "known at compile time"),
    ],
)
def test_what_cannot_be_left_is_an_error(text: str, message: str) -> None:
    top = "var x: i16; var p: [3]i16;"
    with pytest.raises(WaferError, match=message):
        compute(text, "i16", 1, top)
