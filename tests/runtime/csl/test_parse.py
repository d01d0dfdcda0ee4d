from __future__ import annotations

import contextlib

import pytest

from waferc_ir.diagnostics import WaferError
from waferc_runtime.csl import syntax as s
from waferc_runtime.csl.parse import parse


def shown(node: object) -> str:
    """An expression with all its parentheses."""
    match node:
        case s.Name():
            return node.name
        case s.Integer() | s.Float():
            return str(node.value)
        case s.Binary():
            return f"({shown(node.lhs)} {node.op} {shown(node.rhs)})"
        case s.Unary():
            return f"({node.op}{shown(node.x)})"
        case s.Dereference():
            return f"{shown(node.base)}.*"
        case s.Index():
            return f"{shown(node.base)}[{', '.join(map(shown, node.indices))}]"
        case s.Member():
            return f"{shown(node.base)}.{node.name}"
        case _:
            return type(node).__name__


def expression(text: str) -> s.Expr:
    (decl,) = parse(f"const x = {text};", "x.csl").declarations
    assert isinstance(decl, s.VariableDecl)
    assert decl.value is not None
    return decl.value


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("1 + 2 * 3 - 4", "((1 + (2 * 3)) - 4)"),
        ("a & 1 == 0", "((a & 1) == 0)"),
        ("a | b ^ c & d", "(a | (b ^ (c & d)))"),
        ("a << 1 + b", "(a << (1 + b))"),
        ("a or b and !c", "(a or (b and (!c)))"),
        ("-a * b", "((-a) * b)"),
        ("a < b and c >= d", "((a < b) and (c >= d))"),
        ("&a[i, j + 1]", "(&a[i, (j + 1)])"),
        ("p.*[i].color", "p.*[i].color"),
        ("0x1F + 0b101 + 1_000 + 'a'", "(((31 + 5) + 1000) + 97)"),
        ("2.5e-3 * 1e6", "(0.0025 * 1000000.0)"),
        ("a % b / c", "((a % b) / c)"),
    ],
)
def test_operators_bind_as_documented(text: str, meaning: str) -> None:
    assert shown(expression(text)) == meaning


@pytest.mark.parametrize(
    "text",
    [
        "param n: u16; param p; param q = {}; param c: color = @get_color(3);",
        "export var x: [4]f32 align(16); var y = [2]u16{ 1, 2 }; extern const z: u16;",
        'const m = @import_module("<memcpy/get_params>", .{ .width = 1, .LAUNCH = c });',
        "const d = @get_dsd(mem4d_dsd, .{ .tensor_access = |i, j|{n, m} -> a[2 * i, j + 1] });",
        "const p: *const fn(i16) f32 = &f; const q: [*]const u32 = @ptrcast([*]const u32, r);",
        "const E = enum(u16) { A, B = 4, C }; const S = struct { x: f32, y: [2]i16, };",
        "task t(lo: u16, hi: u16) void { if (lo == 0) @block(c) else @unblock(c); }",
        "fn f(comptime T: type, x: anytype) T { return if (a) x else if (b) y else z; }",
        "fn f() void { while (i < 3) : (i += 1) { if (i == 1) continue; break; } }",
        "fn f() void { for (@zeros([4]u8)) |_, k| { x <<= @as(u16, k); } }",
        "fn f() void { switch (x) { E.A => a(), E.B, E.C => { b(); }, else => c() } }",
        "inline fn f() void { { var a: i16; } comptime { @comptime_assert(true); } }",
        'layout { @set_rectangle(1, 1); } comptime { @export_symbol(p, "y"); }',
        "const f = .{ .type = 1, .async = true, .comptime = {} }; const g = f.type;",
        "fn f() void { @fadds(out, in, mem, .{ .async = true, .activate = id }); }",
    ],
)
def test_forms_of_the_language_parse(text: str) -> None:
    assert parse(text, "x.csl").declarations


def test_an_else_if_chain_is_one_node() -> None:
    chain = " else ".join("if (a) { }" for _ in range(400))
    (decl,) = parse(f"fn f() void {{ {chain} }}", "x.csl").declarations
    assert isinstance(decl, s.FunctionDecl)
    assert decl.body is not None
    (node,) = decl.body.statements
    assert isinstance(node, s.If)
    assert len(node.branches) == 400


@pytest.mark.parametrize(
    "text",
    [
        "const x = " + "(" * 5000 + "1" + ")" * 5000 + ";",
        "const x = " + "1 + " * 5000 + "1;",
        "const x: " + "*" * 5000 + "f32 = y;",
        "fn f() void " + "{" * 5000 + "}" * 5000,
        "const x = a" + ".b" * 5000 + ";",
        "const x = " + "9" * 5000 + ";",
    ],
)
def test_deep_or_long_text_is_refused_or_parsed(text: str) -> None:
    with contextlib.suppress(WaferError):
        assert parse(text, "x.csl").declarations


def test_places_are_those_of_the_text() -> None:
    value = expression("aa +\n  bb[1]")
    assert isinstance(value, s.Binary)
    assert (value.rhs.at.line, value.rhs.at.column, value.rhs.at.width) == (2, 3, 5)
    assert value.rhs.at.text == "  bb[1];"
