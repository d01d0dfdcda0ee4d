"""Structs and arrays at run time: variables, copies, parameters, results."""

from __future__ import annotations

import pytest
from tests.runtime.csl.programs import compute

from waferc_ir.diagnostics import WaferError

TOP = """
const Inner = struct { a: i16, b: i16 };
const P = struct { x: i16, y: i16, in: Inner };
const E = extern struct { n: i16 };
var g = P{ .x = 1, .y = 2, .in = Inner{ .a = 3, .b = 4 } };
var zero: P;
var e = E{ .n = 6 };
var v = [3]i16{ 1, 2, 3 };
var w: [2, 3]i16;
var k: i16 = 5;
fn sum(p: P) i16 { return p.x + 10 * p.y + 100 * p.in.a; }
fn make(n: i16) P {
  if (n < 0) { return zero; }
  return P{ .x = n, .y = n + 1, .in = .{ .a = n, .b = -n } };
}
fn deeper(n: i16) P {
  const p = make(n);
  const q = make(n + 1);
  return P{ .x = p.x, .y = q.x, .in = p.in };
}
fn total(a: [3]i16) i16 { var t: i16 = 0; for (a) |x| { t += x; } return t; }
fn any(s: anytype) i16 { return s.a + s.t[1]; }
fn Pair(comptime T: type) type { return struct { l: T, r: T }; }
"""
CASES: list[tuple[str, list[int]]] = [
    ("g.x = 7; g.in.b += k; out[0] = g.x; out[1] = g.in.b;", [7, 9]),
    ("var p = g; p.x = 9; p.in.a = 8; out[0] = g.x + g.in.a; out[1] = p.x + p.in.a;", [4, 17]),
    ("const p = g; g.x = 5; out[0] = p.x; out[1] = g.x;", [1, 5]),
    ("g = P{ .x = g.y, .y = g.x, .in = g.in }; out[0] = g.x; out[1] = g.y;", [2, 1]),
    ("g = zero; out[0] = g.in.b; e.n += 1; out[1] = e.n;", [0, 7]),
    ("var p: P = P{ .x = k, .y = 0, .in = Inner{ .a = 1, .b = 2 } }; out[0] = sum(p);", [105]),
    ("out[0] = sum(g); out[1] = sum(P{ .x = k, .y = 1, .in = g.in });", [321, 315]),
    ("const p = make(k); out[0] = sum(p); out[1] = p.in.b;", [565, -5]),
    ("const p = deeper(k); out[0] = p.x; out[1] = p.y;", [5, 6]),
    ("g = make(-k); out[0] = g.y; const p = make(3); out[1] = sum(p);", [0, 343]),
    (
        "out[0] = any(.{ .a = k, .t = .{ k, 2 } }); out[1] = any(.{ .a = 1, .t = .{ 0, k } });",
        [7, 6],
    ),
    ("var p = .{ .a = k, .b = @as(i16, 2) }; p.a += p.b; out[0] = p.a;", [7]),
    ("var p: Pair(i16) = .{ .l = k, .r = 1 }; p.r = p.l; out[0] = p.l + p.r;", [10]),
    ("var a = v; a[0] = 9; out[0] = v[0]; out[1] = a[0] + a[2];", [1, 12]),
    ("const a = v; v[1] = 7; out[0] = a[1]; out[1] = v[1];", [2, 7]),
    ("var a: [3]i16; a = v; v = [3]i16{ a[2], a[1], k }; out[0] = v[0]; out[1] = v[2];", [3, 5]),
    ("v = [3]i16{ v[2], v[1], v[0] }; out[0] = v[0]; out[1] = v[2];", [3, 1]),
    ("v = @constants([3]i16, 4); out[0] = total(v); out[1] = total([3]i16{ 1, 2, 6 });", [12, 9]),
    ("w[1, 2] = 4; var b = w; b[1, 2] += 1; out[0] = w[1, 2]; out[1] = b[1, 2];", [4, 5]),
]


@pytest.mark.parametrize(("text", "values"), CASES)
def test_structs_and_arrays_are_values(text: str, values: list[int]) -> None:
    assert compute(text, "i16", 2, TOP)[: len(values)] == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("const p = g; p.x = 1;", "constant"),
        ("g = .{ .x = 1 };", "fields"),
        ("const p = &g;", "no address"),
        ("var u: union { a: i16, b: u16 };", "union"),
        ("v = w;", "expected"),
    ],
)
def test_what_structs_cannot_do_is_an_error(text: str, message: str) -> None:
    with pytest.raises(WaferError, match=message):
        compute(text, "i16", 2, TOP)
