"""PEs that differ in numbers only are one class; where that cannot be, the class is split."""

from __future__ import annotations

import numpy as np
import pytest
from tests.runtime.csl.programs import build

from waferc_ir.diagnostics import WaferError
from waferc_ir.machine import machine
from waferc_runtime.csl import core
from waferc_runtime.reference.engine import ReferenceEngine

CHAIN = """
param px: u16;
param py: u16;
param is_odd: bool;
param in_color: color;
param out_color: color;
const iq = @get_input_queue(2);
const oq = @get_output_queue(2);
var x: [4]f32;
const x_ptr: [*]f32 = &x;
const mem = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{4} -> x[i] });
const in = @get_dsd(fabin_dsd, .{ .extent = 4, .fabric_color = in_color, .input_queue = iq });
const out = @get_dsd(fabout_dsd, .{ .extent = 4, .fabric_color = out_color, .output_queue = oq });
fn main() void {
  for (@range(u16, 4)) |i| { x[i] = @as(f32, px + 10 * py + i); }
  if (px == 0) { @fmovs(out, mem); }
  else if (px < 4) { @fadds(out, in, mem); }
  else { @fadds(mem, in, mem); }
  sys_mod.unblock_cmd_stream();
}
comptime {
  @initialize_queue(iq, .{ .color = in_color });
  if (@is_arch("wse3")) @initialize_queue(oq, .{ .color = out_color });
  @export_symbol(main);
  @export_symbol(x_ptr, "x");
}
"""
PARAMS = """
.is_odd = px % 2 == 1,
.in_color = @get_color((px + 1) % 2),
.out_color = if (px % 2 == 0) @get_color(0) else @get_color(1),
"""
CONFIGS = """
if (px < 4) {
  @set_color_config(px, py, @get_color(px % 2), .{ .routes = .{ .rx = RAMP, .tx = EAST } });
}
if (px > 0) {
  @set_color_config(px, py, @get_color((px + 1) % 2), .{ .routes = .{ .rx = WEST, .tx = RAMP } });
}
"""
EXPORTS = '@export_name("main", fn()void); @export_name("x", [*]f32, true);'


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
def test_a_region_with_positions_roles_and_colors_is_one_class(arch: str) -> None:
    program = build(
        CHAIN, width=5, height=2, params=PARAMS, configs=CONFIGS, exports=EXPORTS, arch=arch
    )
    (cls,) = program.classes
    assert cls.x.tolist() == [0, 1, 2, 3, 4] * 2
    assert cls.y.tolist() == [0] * 5 + [1] * 5
    assert np.asarray(cls.input_queues[2]).tolist() == [1, 0, 1, 0, 1] * 2
    engine = ReferenceEngine(program, machine(arch))
    engine.launch("main")
    last = engine.read("x", 4, 0, 1, 2, 4)[:, 0, :]
    assert last.tolist() == [
        [sum(px + 10 * py + i for px in range(5)) for i in range(4)] for py in range(2)
    ]


def conditions(body: list[core.Stmt]) -> list[core.Expr]:
    return [node.condition for node in body if isinstance(node, core.If)]


def main_of(program: core.Elaborated, number: int = 0) -> core.Function:
    target = program.classes[number].exports["main"].target
    assert isinstance(target, core.Function)
    return target


def run(pe: str, *, width: int = 6, params: str = "") -> core.Elaborated:
    pe = f"param px: u16; param py: u16; {pe} comptime {{ @export_symbol(main); }}"
    return build(pe, width=width, params=params, exports='@export_name("main", fn()void);')


def test_a_branch_on_a_position_stays_a_branch() -> None:
    program = run("var v: i16; fn main() void { if (px > 2) { v = 1; } else { v = 2; } }")
    (condition,) = conditions(main_of(program).body)
    assert isinstance(condition, core.Const)
    assert np.asarray(condition.value).tolist() == [False, False, False, True, True, True]


def test_a_branch_on_what_all_pes_agree_on_is_taken() -> None:
    program = run("var v: i16; fn main() void { if (px < 6) { v = 1; } else { missing(); } }")
    assert len(main_of(program).body) == 1
    assert not conditions(main_of(program).body)


def test_inside_a_branch_only_its_pes_count() -> None:
    program = run(
        """
var v: [3]i16;
fn main() void {
  if (px < 3) {
    v[px] = 1;
    if (px < 4) { v[0] = 10 / (px - 5); } else { missing(); }
    @comptime_assert(px != 5);
    const q = @get_color(px);
  } else {
    v[px - 3] = @as(i16, 30 / (px - 2));
  }
}"""
    )
    assert len(program.classes) == 1


MASKED = """
fn kind(n: u16) i16 {
  var total: i16 = 0;
  for (@range(i16, 4)) |i| {
    if (i == 3) { return total; }
    if (n == 0) { return 100; } else if (n > 3) { total += i; } else { total -= i; }
  }
  return -1;
}
fn list(n: u16) [2]i16 {
  var a = @zeros([2]i16);
  if (n == 1) { a[0] = 7; return a; }
  a[1] = @as(i16, n);
  return a;
}
const k = kind(px);
const l = list(px);
var seen = k;
comptime { if (px == 0) { @comptime_assert(k == 100); } }
fn main() void { seen = l[0] * 10 + l[1]; }
"""


def test_functions_at_compile_time_go_several_ways_at_once() -> None:
    pe = f"param px: u16; param py: u16; {MASKED} comptime {{ @export_symbol(main); }}"
    program = build(pe, width=6, exports='@export_name("main", fn()void);')
    (pe_class,) = program.classes
    (seen,) = pe_class.objects
    assert isinstance(seen.initial, np.ndarray)
    assert seen.initial[0].tolist() == [100, -3, -3, -3, 3, 3]
    main = pe_class.exports["main"].target
    assert isinstance(main, core.Function)
    (store,) = main.body
    assert isinstance(store, core.Store)
    assert isinstance(store.value, core.Const)
    assert np.asarray(store.value.value).tolist() == [0, 70, 2, 3, 4, 5]


def test_blocked_colors_that_no_task_has_split_nothing() -> None:
    pe = """
param px: u16; param py: u16;
const c = @get_color(2 + px % 2);
TASK
comptime { @block(c); @export_symbol(main); }
fn main() void { }
"""
    exports = '@export_name("main", fn()void);'
    one = build(pe.replace("TASK", ""), width=6, arch="wse2", exports=exports)
    assert len(one.classes) == 1
    task = "task t(x: u32) void { } comptime { @bind_data_task(t, @get_data_task_id(c)); }"
    two = build(pe.replace("TASK", task), width=6, arch="wse2", exports=exports)
    assert [sorted(cls.blocked) for cls in two.classes] == [[2], [3]]


@pytest.mark.parametrize(
    ("pe", "sizes"),
    [
        ("var a: [px + 1]f32; fn main() void { a[0] = 1.0; }", [1] * 6),
        (
            "comptime { if (px < 2) { @block(@get_local_task_id(9)); } } fn main() void { }",
            [2, 4],
        ),
        ("const T = if (px == 1) f32 else i16; var v: T; fn main() void { v = 1; }", [5, 1]),
        (
            "fn main() void { const q = @get_dsd(fabin_dsd, .{ .extent = 1, .input_queue ="
            " @get_input_queue(2 + px % 2) }); } comptime { @initialize_queue(@get_input_queue(2),"
            " .{ .color = @get_color(1) }); @initialize_queue(@get_input_queue(3), .{ .color ="
            " @get_color(2) }); }",
            [3, 3],
        ),
        (
            "task t() void { } comptime { @bind_local_task(t, @get_local_task_id(9 + px / 3)); }"
            " fn main() void { }",
            [3, 3],
        ),
        (
            'const m = @import_module(if (px == 5) "a.csl" else "b.csl");'
            " fn main() void { m.f(); }",
            [5, 1],
        ),
    ],
)
def test_what_has_to_be_uniform_splits(pe: str, sizes: list[int]) -> None:
    pe = f"param px: u16; param py: u16; {pe} comptime {{ @export_symbol(main); }}"
    others = {"a.csl": "fn f() void { }", "b.csl": "fn f() void { }"}
    program = build(pe, width=6, exports='@export_name("main", fn()void);', others=others)
    assert sorted(len(cls.x) for cls in program.classes) == sorted(sizes)
    assert sorted(x for cls in program.classes for x in cls.x.tolist()) == list(range(6))


def test_params_of_other_kinds_make_other_classes() -> None:
    program = run(
        "param extra = {}; fn main() void { }", params=".extra = if (px < 3) {} else .{ .a = px },"
    )
    assert sorted(len(cls.x) for cls in program.classes) == [3, 3]


def test_a_wrong_pe_is_named() -> None:
    with pytest.raises(WaferError, match=r"PE \(4, 0\)"):
        run("fn main() void { @comptime_assert(px < 4); }")


def test_values_chosen_by_position_stay_lanes() -> None:
    program = run(
        """
const extent: u16 = if (px == 0) 1 else if (px == 5) 2 else 3;
const first = px == 0 or px == 5;
var a = @constants([2]i16, @as(i16, px));
const pa: [*]i16 = &a;
const table = [6]i16{ 9, 8, 7, 6, 5, 4 };
var b: i16 = table[px];
fn main() void { if (first) { b = @as(i16, extent); } a[1] = b; }
"""
    )
    (cls,) = program.classes
    objects = {object.name: object for object in cls.objects}
    assert np.asarray(objects["a"].initial).tolist() == [[0, 1, 2, 3, 4, 5]] * 2
    assert np.asarray(objects["b"].initial).tolist() == [[9, 8, 7, 6, 5, 4]]
    (condition,) = conditions(main_of(program).body)
    assert isinstance(condition, core.Const)
    assert np.asarray(condition.value).tolist() == [True, False, False, False, False, True]


def test_a_function_counts_only_the_pes_that_call_it() -> None:
    program = run(
        """
var v: [6]i16;
fn left() i16 { var k: i16 = 1; bump(&k); return v[px - 1] + k; }
fn bump(p: *i16) void { p.* += 1; }
fn main() void {
  if (px > 0) { v[0] = left(); }
  if (px == 1) { v[1] = once(); } else if (px == 2) { v[1] = once(); }
}
fn once() i16 { @comptime_assert(px == 1 or px == 2); return left(); }
"""
    )
    (cls,) = program.classes
    assert [object.name for object in cls.objects] == ["v", "left.k"]


def test_a_function_that_more_pes_call_is_checked_for_them() -> None:
    with pytest.raises(WaferError, match=r"PE \(0, 0\)"):
        run(
            """
fn check() void { @comptime_assert(px > 0); }
fn main() void { if (px > 2) { check(); } later(); }
fn later() void { check(); }
"""
        )


def test_a_queue_may_serve_another_color_on_other_pes() -> None:
    pe = """
param px: u16; param py: u16;
var x: [4]f32;
const m = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{4} -> x[i] });
fn receive(comptime c: i16) void {
  @fmovs(m, @get_dsd(fabin_dsd, .{
    .extent = 4, .fabric_color = @get_color(c), .input_queue = @get_input_queue(2) }));
}
fn main() void { if (px % 2 == 0) { receive(3); } else { receive(5); } }
comptime { @export_symbol(main); }
"""
    exports = '@export_name("main", fn()void);'
    (cls,) = build(pe, width=3, exports=exports, arch="wse2").classes
    assert np.asarray(cls.input_queues[2]).tolist() == [3, 5, 3]
    setup = "comptime { @initialize_queue(@get_input_queue(2), .{ .color = @get_color(5) }); }"
    with pytest.raises(WaferError, match="another color"):
        build(pe + setup, width=3, exports=exports, arch="wse2")
