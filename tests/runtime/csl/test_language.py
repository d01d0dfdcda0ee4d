"""What CSL computes: at run time, and the same at compile time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runtime.csl.programs import build, compute

from waferc_ir.diagnostics import Location, WaferError
from waferc_runtime.csl import arithmetic, core
from waferc_runtime.csl.core import Scalar

HERE = Location("x.csl", 1)

EXPRESSIONS: list[tuple[str, str, Any]] = [
    ("i32", "7 / 2", 3),
    ("i32", "-7 / 2", -3),
    ("i32", "-7 % 3", -1),
    ("i32", "1 << 4 | 3", 19),
    ("i16", "@as(i16, 30000) + @as(i16, 30000)", -5536),
    ("u16", "@as(u16, 3) - @as(u16, 5)", 65534),
    ("u16", "~@as(u16, 1)", 65534),
    ("i16", "@as(i16, -9) >> @as(u16, 1)", -5),
    ("i32", "@as(i32, 3.99) + @as(i32, -3.99)", 0),
    ("i32", "@as(i32, true) + @as(i32, @as(bool, 7))", 2),
    ("u32", "@bitcast(u32, @as(f32, 1.0))", 0x3F800000),
    ("f32", "@bitcast(f32, @as(u32, 0x40490fdb))", float(np.float32(np.pi))),
    ("i16", "@bitcast(i16, @as(u16, 0xffff))", -1),
    ("f32", "@as(f32, 0.1) + @as(f32, 0.2)", float(np.float32(0.1) + np.float32(0.2))),
    ("f16", "@as(f16, 2048.0) + @as(f16, 1.0)", 2048.0),
    ("f32", "if (3 > 2 and !(1 == 2)) 1.5 else 2.5", 1.5),
    ("i32", "switch (@as(i16, 4)) { 1, 2 => 10, 4 => 20, else => 30 }", 20),
    ("f32", "math.abs(@as(f32, -2.0)) + math.floor_f32(1.75)", 3.0),
    ("i16", "@as(i16, E.C) + @as(i16, @get_int(E.B))", 5),
    ("i16", "s.a + s.b.c + t[1]", 12),
    ("i16", "c[1] * c[2]", 6),
    ("i16", "f(3, i16)", 6),
    ("i32", "@as(i8, -3) + @as(i16, 300)", 297),
    ("i32", "@as(u16, 65535) + @as(i32, 1)", 65536),
    ("f32", "@as(f16, 1.5) * @as(f32, 3.0)", 4.5),
    ("i16", "g.*(4, i16) + h(4, i16)", 20),
    ("i16", '@get_array("AB")[1] + @strlen(@get_string_from_byte(65))', 67),
    ("u16", "@bitcast(u16, @get_color(5)) + @get_int(@get_local_task_id(9))", 14),
]
TOP = """
const math = @import_module("<math>");
const E = enum(u16) { A, B = 4, C };
const s = .{ .a = 1, .b = .{ .c = 4 } };
const t = .{ 5, 7 };
const c = [3]i16{ 1, 2, 3 };
fn f(n: i16, comptime T: type) T { if (n <= 0) { return 0; } return @as(T, n) + f(n - 1, T); }
const g: *const fn(i16, type) i16 = &f;
const h = &f;
"""


@pytest.mark.parametrize(("dtype", "text", "value"), EXPRESSIONS, ids=lambda x: str(x)[:40])
def test_an_expression_has_its_value_at_both_times(dtype: str, text: str, value: Any) -> None:
    top = f"{TOP}\nfn known() {dtype} {{ return {text}; }}\nconst early: {dtype} = known();"
    assert compute(f"out[0] = {text}; out[1] = early;", dtype, 2, top) == [value, value]


STATEMENTS: list[tuple[str, int]] = [
    ("for (@range(i16, 5)) |i| { r += i; }", 10),
    ("for (@range(i16, 5, -1, -2)) |i| { r += i; }", 9),
    (
        "var i: i16 = 0; while (i < 9) : (i += 1) { if (i == 3) continue; if (i == 6) break;"
        " r += i; }",
        12,
    ),
    ("for (c) |v, k| { r += v * @as(i16, k); }", 8),
    ("for (@zeros([6]u8)) |_, k| { r += @as(i16, k); }", 15),
    ("if (r == 1) { r = 5; } else if (r == 0) { r = 6; } else { r = 7; }", 6),
    ("switch (r) { 0 => { r = 4; }, else => { r = 9; } }", 4),
    ("{ var r2: i16 = 3; r = r2; }", 3),
    ("r = 3; r *= 4; r -= 2; r /= 5; r <<= 3; r |= 1; r ^= 2; r &= 27; r %= 10;", 9),
    ("comptime var n = 3; n += 4; r = n;", 7),
]


@pytest.mark.parametrize(("text", "value"), STATEMENTS)
def test_a_statement_does_the_same_at_both_times(text: str, value: int) -> None:
    top = f"""
const c = [3]i16{{ 1, 2, 3 }};
fn known() i16 {{ var r: i16 = 0; {text.replace("comptime var", "var")} return r; }}
const early: i16 = known();"""
    body = f"var r: i16 = 0; {text} out[0] = r; out[1] = early;"
    assert compute(body, "i16", 2, top) == [value, value]


def test_pointers_reach_what_they_point_to() -> None:
    top = """
var a: [2, 3]i16;
var x: i16 = 5;
const p: *i16 = &x;
var q: [*]i16 = &a;
fn set(to: *i16, v: i16) void { to.* = v; }
fn sum(m: *[2, 3]i16) i16 { return m.*[0, 0] + m.*[1, 2]; }
"""
    body = """
p.* += 2; q[0] = 10; a[1, 2] = 20; set(&a[0, 1], 30);
var y: i16 = 1; set(&y, 40);
const flat = @ptrcast(*[6]i16, &a);
out[0] = x; out[1] = a[0, 0]; out[2] = flat.*[5]; out[3] = a[0, 1]; out[4] = y; out[5] = sum(&a);
q = @ptrcast([*]i16, &a[1, 0]); out[6] = q[2];
const halves = @ptrcast([*]u16, &w); out[7] = @bitcast(i16, halves[1]);
"""
    top += "var w: u32 = 0x00030002;"
    assert compute(body, "i16", 8, top) == [7, 10, 20, 30, 40, 30, 20, 3]


def test_values_widen_by_themselves() -> None:
    top = "var a: i8 = -4; var b: u16 = 60000; fn id(x: i32) i32 { return x; }"
    body = "out[0] = a; out[1] = id(b); out[2] = id(5) + a * b; const c: i32 = b; out[3] = c + a;"
    with pytest.raises(WaferError, match="i8 and u16 do not mix"):
        compute(body, "i32", 4, top)
    body = body.replace("a * b", "a * id(b)")
    assert compute(body, "i32", 4, top) == [-4, 60000, 5 - 240000, 59996]


def test_values_do_not_narrow_by_themselves() -> None:
    for wide, narrow in (("i32", "i16"), ("i16", "u32"), ("u16", "i16"), ("f32", "f16")):
        with pytest.raises(WaferError, match=f"{narrow} is expected, not {wide}"):
            compute(f"var x: {narrow} = y;", "i32", 1, f"var y: {wide};")


def test_a_number_taken_for_a_pointer_is_a_register() -> None:
    top = "fn bytes(word: u16) u16 { return word * 2; } const r = @bitcast(*u16, 0xfe42);"
    body = "@bitcast(*u16, bytes(0x7f21)).* = r.* & 7; r.* |= 1;"
    pe = f"{top} fn main() void {{ {body} }} comptime {{ @export_symbol(main); }}"
    program = build(pe, exports='@export_name("main", fn()void);')
    main = program.classes[0].exports["main"].target
    assert isinstance(main, core.Function)
    first, second = main.body
    assert isinstance(first, core.SetConfig)
    assert isinstance(second, core.SetConfig)
    assert isinstance(first.value, core.BinaryExpr)
    assert isinstance(first.value.lhs, core.GetConfig)
    for address in (first.value.lhs.address, second.address):
        assert isinstance(address, core.Const)
        assert address.value == 0x7F21


def test_functions_are_specialised() -> None:
    top = """
fn twice(f: fn(i16)i16, x: i16) i16 { return f(f(x)); }
fn inc(x: i16) i16 { return x + 1; }
fn triple(x: i16) i16 { return 3 * x; }
inline fn pick(b: bool, x: i16) i16 { if (b) { return x; } return only_if_false(x); }
fn only_if_false(x: i16) i16 { return -x; }
fn any(x: anytype) i16 { return @as(i16, x); }
"""
    body = """
out[0] = twice(inc, 1); out[1] = twice(triple, 2); out[2] = pick(true, 4); out[3] = pick(false, 4);
out[4] = any(@as(u8, 9)); out[5] = any(2.5);
"""
    assert compute(body, "i16", 6, top) == [3, 18, 4, -4, 9, 2]


def test_globals_are_evaluated_in_any_order_and_lazily() -> None:
    top = """
const a: i16 = b * 2;
const b = d.size + 1;
const d = .{ .size = n };
param n: i16 = 20;
param never: color;
const unused = never;
const wrong = if (n == 20) 1 else @comptime_assert(false);
"""
    assert compute("out[0] = a; out[1] = wrong;", "i16", 2, top) == [42, 1]


def test_variables_keep_their_value_between_calls() -> None:
    top = "var n: i16 = 3; var v = [3]i16{ 1, 2, 3 }; fn step() i16 { n += 1; return n; }"
    assert compute("out[0] = step(); out[1] = step(); out[2] = v[2];", "i16", 3, top) == [4, 5, 3]


INTEGERS = [Scalar.I8, Scalar.U8, Scalar.I16, Scalar.U16, Scalar.I32, Scalar.U32]


@given(
    st.sampled_from(INTEGERS),
    st.sampled_from(["+", "-", "*", "&", "|", "^"]),
    st.lists(st.tuples(st.integers(), st.integers()), min_size=1, max_size=4),
)
def test_known_integers_wrap_like_numpy(
    scalar: Scalar, op: str, pairs: list[tuple[int, int]]
) -> None:
    a = [arithmetic.wrap(scalar, x) for x, _ in pairs]
    b = [arithmetic.wrap(scalar, y) for _, y in pairs]
    ufunc = {"+": np.add, "-": np.subtract, "*": np.multiply}.get(op)
    bits = {"&": np.bitwise_and, "|": np.bitwise_or, "^": np.bitwise_xor}
    expected = (ufunc or bits[op])(np.array(a, scalar.numpy), np.array(b, scalar.numpy)).tolist()
    single = [
        arithmetic.arithmetic(op, scalar, x, y, HERE, None) for x, y in zip(a, b, strict=True)
    ]
    lanes = arithmetic.arithmetic(op, scalar, np.array(a), np.array(b), HERE, None)
    assert single == expected
    assert np.asarray(lanes).tolist() == expected


@settings(max_examples=50)
@given(
    st.sampled_from([*INTEGERS, Scalar.F16, Scalar.F32]),
    st.sampled_from(["/", "%", "<<", ">>"]),
    st.lists(st.tuples(st.integers(-100, 100), st.integers(1, 12)), min_size=1, max_size=4),
)
def test_lanes_compute_what_each_pe_would(
    scalar: Scalar, op: str, pairs: list[tuple[int, int]]
) -> None:
    if scalar.is_float and op in ("<<", ">>"):
        op = "/"
    a = [float(x) if scalar.is_float else arithmetic.wrap(scalar, x) for x, _ in pairs]
    b = [float(y) if scalar.is_float else y for _, y in pairs]
    single = [
        arithmetic.arithmetic(op, scalar, x, y, HERE, None) for x, y in zip(a, b, strict=True)
    ]
    lanes = arithmetic.arithmetic(op, scalar, np.array(a), np.array(b), HERE, None)
    assert np.asarray(lanes).tolist() == single
