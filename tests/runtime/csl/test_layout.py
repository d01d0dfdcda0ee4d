from __future__ import annotations

import time

import numpy as np
import pytest

from waferc_ir.machine import machine
from waferc_runtime.csl import at_once as loops
from waferc_runtime.csl.core import EAST, NORTH, RAMP, SOUTH, WEST, Elaborated
from waferc_runtime.csl.elaborate import elaborate

PE = 'param n: i16 = 7; var v: i16 = n;\nconst p: *i16 = &v; comptime { @export_symbol(p, "v"); }'


def routed(body: str, *, top: str = "", size: str = "6, 5", arch: str = "wse3") -> Elaborated:
    layout = f"""
{top}
layout {{
  @set_rectangle({size});
  for (@range(u16, @get_rectangle().width)) |x| {{
    for (@range(u16, @get_rectangle().height)) |y| {{ @set_tile_code(x, y, "sub/pe.csl"); }}
  }}
  @export_name("v", *i16);
  {body}
}}"""
    return elaborate({"layout.csl": layout, "sub/pe.csl": PE}, "layout.csl", machine(arch), {})


def test_routes_are_masks_by_color() -> None:
    program = routed(
        """
const c = @get_color(4);
@set_color_config(0, 1, c, .{ .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST, SOUTH } } });
@set_color_config(1, 1, c, .{ .routes = .{ .rx = WEST, .tx = RAMP } });
@set_color_config(2, 2, @get_color(5), .{ .routes = 0x308 });
"""
    )
    assert (program.width, program.height, list(program.routes)) == (6, 5, [4, 5])
    assert program.routes[4].rx[1].tolist() == [RAMP, WEST, 0, 0, 0, 0]
    assert program.routes[4].tx[1].tolist() == [EAST | SOUTH, RAMP, 0, 0, 0, 0]
    assert program.routes[5].rx[2, 2] == NORTH
    assert program.routes[5].tx[2, 2] == NORTH | RAMP


LOOPS = [
    """
for (@range(i16, 6)) |x| {
  const right = .{ .routes = .{ .rx = WEST, .tx = .{ EAST, RAMP } } };
  if (x == 0) { @set_color_config(x, 2, c, .{ .routes = .{ .rx = RAMP, .tx = EAST } }); }
  else if (x < 5) { @set_color_config(x, 2, c, right); }
  else { @set_color_config(x, 2, c, .{ .routes = .{ .rx = WEST, .tx = RAMP } }); }
}""",
    "for (@range(u16, 1, 6, 2)) |x| { across(x, 3); }",
    "for (@range(i16, 4, -1, -1)) |y| { @set_color_config(y, y, @get_color(y), pass); }",
    """
var k: i16 = 0;
for (@range(i16, 6)) |x| { @set_color_config(x, k, c, pass); k = (k + 2) % 5; }""",
    "for (@range(i16, 6)) |x| { if (x == 3) { continue; } @set_color_config(x, 0, c, pass); }",
    """
for (@range(i16, 6)) |x| { var r = 0; if (x > 2) { r = 1; } @set_color_config(x, r, c, pass); }""",
    "for (@range(i16, 6)) |x, i| { @set_color_config(x, i % 2, @get_color(x / 2), pass); }",
    "for (@range(i16, 6)) |x| { @set_color_config(x, 0, c, if (x > 2) pass else back); }",
]
TOP = """
const c = @get_color(9);
const pass = .{ .routes = .{ .rx = WEST, .tx = EAST } };
const back = .{ .routes = .{ .rx = EAST, .tx = WEST } };
fn across(x: u16, y: u16) void { if (y != 0) { @set_color_config(x, y, c, pass); } }
"""


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_run_at_once_configures_what_its_iterations_would(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = routed(loop, top=TOP)
    monkeypatch.setattr(loops, "MIN_LANES", 1 << 30)
    one_by_one = routed(loop, top=TOP)
    assert list(at_once.routes) == list(one_by_one.routes) != []
    for color, routes in at_once.routes.items():
        assert np.array_equal(routes.rx, one_by_one.routes[color].rx)
        assert np.array_equal(routes.tx, one_by_one.routes[color].tx)


def test_local_configurations_add_to_the_layout() -> None:
    pe = (
        PE
        + """
param px: u16;
comptime {
  @set_local_color_config(@get_color(px % 2), .{ .routes = .{ .rx = RAMP, .tx = WEST } });
}
"""
    )
    layout = """layout {
  @set_rectangle(4, 1);
  for (@range(u16, 4)) |x| { @set_tile_code(x, 0, "pe.csl", .{ .px = x }); }
  @export_name("v", *i16);
}"""
    program = elaborate({"l.csl": layout, "pe.csl": pe}, "l.csl", machine("wse2"), {})
    assert program.routes[0].tx.tolist() == [[WEST, 0, WEST, 0]]
    assert program.routes[1].tx.tolist() == [[0, WEST, 0, WEST]]


def test_params_of_the_command_line_reach_the_layout() -> None:
    layout = """
param w: u16; param c: color; param flag: bool = true;
layout {
  @set_rectangle(w, 1);
  for (@range(u16, w)) |x| { @set_tile_code(x, 0, "pe.csl", .{ .n = if (flag) 1 else 2 }); }
  @set_color_config(0, 0, c, .{ .routes = .{ .rx = RAMP, .tx = EAST } });
  @export_name("v", *i16);
}"""
    sources = {"l.csl": layout, "pe.csl": PE}
    program = elaborate(sources, "l.csl", machine("wse3"), {"w": 3, "c": 11, "flag": 0})
    assert (program.width, list(program.routes)) == (3, [11])
    assert program.classes[0].objects[0].initial == 2


def test_a_large_layout_takes_seconds_not_minutes() -> None:
    configs = "\n".join(
        f"if (x % 2 == 0) {{ @set_color_config(x, y, @get_color({n}), pass); }}"
        f" else {{ @set_color_config(x, y, @get_color({n}), back); }}"
        for n in range(10)
    )
    loops = f"for (@range(u16, 200)) |x| {{ for (@range(u16, 200)) |y| {{ {configs} }} }}"
    before = time.process_time()
    program = routed(loops, top=TOP, size="200, 200")
    assert time.process_time() - before < 10
    assert len(program.classes) == 1
    assert len(program.routes) == 10


def test_objects_lie_one_behind_the_other() -> None:
    pe = """
var a: [3]i16; var b: f32; var c: i16; var d: [2]f16 align(16); var e: u32;
fn main() void { a[0] = 1; b = 1.0; c = 1; d[0] = 1.0; e = 1; }
comptime { @export_symbol(main); }
"""
    layout = """layout { @set_rectangle(1, 1); @set_tile_code(0, 0, "pe.csl");
  @export_name("main", fn()void); }"""
    program = elaborate({"l.csl": layout, "pe.csl": pe}, "l.csl", machine("wse3"), {})
    (cls,) = program.classes
    assert {o.name: o.address for o in cls.objects} == {"a": 0, "b": 4, "c": 6, "d": 8, "e": 10}
    assert cls.code_bytes > 0
