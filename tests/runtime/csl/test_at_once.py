"""Loops of the layout that run all iterations at once say what they would say one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bench.programs.wafer_layout import Style, sources

from waferc_ir.diagnostics import WaferError
from waferc_ir.machine import machine
from waferc_runtime.csl import at_once
from waferc_runtime.csl.core import Const, Elaborated, If
from waferc_runtime.csl.elaborate import elaborate

PE = """
param memcpy_params: comptime_struct;
param a: i16;
param b: i16;
const sys_mod = @import_module("<memcpy/memcpy>", memcpy_params);
var x = @as(i16, 0);
const x_ptr: [*]i16 = @ptrcast([*]i16, &x);
fn main() void { if (a > b) { x = a; } else { x = b; } }
comptime { @export_symbol(main); }
"""


def build(body: str, width: int = 7, height: int = 6, top: str = "") -> Elaborated:
    layout = f"""
const memcpy = @import_module("<memcpy/get_params>", .{{ .width = {width}, .height = {height} }});
const width: i16 = {width};
const height: i16 = {height};
const mp = memcpy.get_params(0);
{top}
layout {{
  @set_rectangle(width, height);
  {body}
  @export_name("main", fn()void);
}}
"""
    return elaborate({"layout.csl": layout, "pe.csl": PE}, "layout.csl", machine("wse2"), {})


def summary(program: Elaborated) -> list[Any]:
    """What a layout says: classes with what their functions branch on, and routes."""
    found: list[Any] = []
    for pe_class in program.classes:
        conditions = [
            np.asarray(node.condition.value).tolist()
            for function in pe_class.functions
            for node in function.body
            if isinstance(node, If) and isinstance(node.condition, Const)
        ]
        bodies = [len(function.body) for function in pe_class.functions]
        found.append((pe_class.x.tolist(), pe_class.y.tolist(), conditions, bodies))
    routes = [(color, r.rx.tolist(), r.tx.tolist()) for color, r in program.routes.items()]
    return [found, routes]


def both_ways(build_it: Any, monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    at_once_way = summary(build_it())
    monkeypatch.setattr(at_once, "MIN_LANES", 1 << 40)
    return [at_once_way, summary(build_it())]


@pytest.mark.parametrize("style", ["ranges", "counters"])
@pytest.mark.parametrize("lanes", [1 << 18, 5])
def test_a_wafer_is_the_same_one_by_one(
    style: Style, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = sources(6, 5, style, has_switches=False)
    monkeypatch.setattr(at_once, "MAX_LANES", lanes)
    first, second = both_ways(
        lambda: elaborate(files, "layout.csl", machine("wse2"), {}), monkeypatch
    )
    assert first == second


TILE = '@set_tile_code(px, py, "pe.csl", .{ .memcpy_params = mp, .a = a, .b = b });'
BODIES = {
    "inner bounds differ": f"""
  for (@range(i16, width)) |px| {{
    const b = px;
    for (@range(i16, px, height)) |py| {{ const a = py; {TILE} }}
    for (@range(i16, @as(i16, if (px < height) px else height))) |py| {{ const a = -py; {TILE} }}
  }}""",
    "variables under conditions": f"""
  for (@range(i16, width)) |px| {{
    for (@range(i16, height)) |py| {{
      var a: i16 = 0;
      var b: i16 = 5;
      if (px > 2) {{ a = px; if (py > px) {{ b = 7; a += py; }} }} else {{ a = py; }}
      {TILE}
    }}
  }}""",
    "a variable beyond the iteration": f"""
  var a: i16 = 0;
  for (@range(i16, width)) |px| {{
    for (@range(i16, height)) |py| {{ const b = py; a += 1; {TILE} }}
  }}""",
    "counters read behind the loop": f"""
  var px: i16 = 0;
  while (px < width) : (px += 2) {{
    var py: i16 = 0;
    while (py <= height - 1) : (py += 1) {{ const a = px; const b = py; {TILE} }}
    const b = py;
    if (px < width - 1) {{ var x = px; px += 0; }}
  }}
  const a = px;
  px = 1;
  while (px < width) : (px += 2) {{
    for (@range(i16, height)) |py| {{ const b = py; {TILE} }}
  }}""",
    "ways that are no one value": f"""
  for (@range(i16, width)) |px| {{
    for (@range(i16, height)) |py| {{
      const a = px;
      const b = py;
      const tx = if (py == 0) .{{ RAMP }} else .{{ RAMP, SOUTH }};
      @set_color_config(px, py, @get_color(3), .{{ .routes = .{{ .rx = NORTH, .tx = tx }} }});
      switch (px) {{
        1 => @set_color_config(px, py, @get_color(4), .{{ .routes = .{{ .rx = EAST }} }}),
        2, 3 => @set_color_config(px, py, @get_color(5), .{{ .routes = .{{ .rx = WEST }} }}),
        else => @set_color_config(px, py, @get_color(6), .{{ .routes = .{{ .rx = NORTH }} }}),
      }}
      if (px == 2) {{ continue; }}
      @set_color_config(px, py, @get_color(7), .{{ .routes = .{{ .rx = NORTH, .tx = RAMP }} }});
    }}
  }}
  for (@range(i16, width)) |px| {{
    for (@range(i16, height)) |py| {{ const a = py; const b = px; {TILE} }}
  }}""",
    "returns of functions": f"""
  for (@range(i16, width)) |px| {{
    for (@range(i16, height)) |py| {{
      const a = larger(px, py);
      const b = pair(px).one;
      {TILE}
    }}
  }}""",
}
TOP = """
fn larger(a: i16, b: i16) i16 { if (a < b) { return b; } return a; }
fn pair(a: i16) comptime_struct {
  if (a % 3 == 0) { return .{ .one = 1, .two = 2 }; } else { return .{ .one = a }; }
}
"""


@pytest.mark.parametrize("name", BODIES)
def test_loops_are_the_same_one_by_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = both_ways(lambda: build(BODIES[name], top=TOP), monkeypatch)
    assert first == second


def test_an_error_is_that_of_its_iteration() -> None:
    body = """
  for (@range(i16, width)) |px| {
    for (@range(i16, height)) |py| {
      @comptime_assert(px * 10 + py != 34);
      const a = px;
      const b = @as(i16, 1) / (py - 4);
      @set_tile_code(px, py, "pe.csl", .{ .memcpy_params = mp, .a = a, .b = b });
    }
  }"""
    with pytest.raises(WaferError, match="division by zero"):
        build(body)
