"""A switch sends one message after the other to its four neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from waferc_ir.machine import MACHINES
from waferc_runtime.csl.elaborate import elaborate
from waferc_runtime.vector.engine import VectorEngine

LAYOUT = """
param n: u16;
const memcpy = @import_module("<memcpy/get_params>", .{ .width = 3, .height = 3 });
const c: color = @get_color(3);
layout {
  @set_rectangle(3, 3);
  for (@range(u16, 3)) |x| { for (@range(u16, 3)) |y| {
    @set_tile_code(x, y, "pe.csl", .{ .memcpy_params = memcpy.get_params(x),
      .is_center = x == 1 and y == 1, .n = n, .c = c });
  }}
  const sw = .{ .pos1 = .{ .tx = WEST }, .pos2 = .{ .tx = EAST }, .pos3 = .{ .tx = SOUTH },
    .current_switch_pos = 1, .ring_mode = true };
  @set_color_config(1, 1, c, .{ .routes = .{ .rx = .{ RAMP }, .tx = .{ NORTH } }, .switches = sw });
  @set_color_config(1, 0, c, .{ .routes = .{ .rx = .{ SOUTH }, .tx = .{ RAMP } } });
  @set_color_config(1, 2, c, .{ .routes = .{ .rx = .{ NORTH }, .tx = .{ RAMP } } });
  @set_color_config(0, 1, c, .{ .routes = .{ .rx = .{ EAST }, .tx = .{ RAMP } } });
  @set_color_config(2, 1, c, .{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP } } });
  @export_name("data", [*]u32, true);
  @export_name("main", fn()void);
}
"""
PE = """
param memcpy_params: comptime_struct;
param is_center: bool;
param n: u16;
param c: color;
const sys_mod = @import_module("<memcpy/memcpy>", memcpy_params);
const iq: input_queue = @get_input_queue(2);
const oq: output_queue = @get_output_queue(3);
var data = @zeros([4*n]u32);
var got: u16 = 0;
const data_ptr: [*]u32 = &data;
const ctrl = [1]u32{ 0x015F0000 };
const ctrl_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{1} -> ctrl[i] });
const take_id: data_task_id =
  if (@is_arch("wse3")) @get_data_task_id(iq) else @get_data_task_id(c);
task take(x: u32) void { data[got] = x; got += 1; }
fn main() void {
  if (is_center) {
    var own = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{n} -> data[i] });
    const out = @get_dsd(fabout_dsd, .{ .fabric_color = c, .extent = n, .output_queue = oq });
    const out_c = @get_dsd(fabout_dsd, .{
      .fabric_color = c, .extent = 1, .output_queue = oq, .control = true });
    for (@range(u16, 4)) |i| {
      @mov32(out, own);
      @mov32(out_c, ctrl_dsd);
      own = @increment_dsd_offset(own, @as(i16, n), u32);
    }
  }
  sys_mod.unblock_cmd_stream();
}
comptime {
  if (!is_center) { @bind_data_task(take, take_id); }
  if (@is_arch("wse3")) {
    @initialize_queue(iq, .{ .color = c });
    @initialize_queue(oq, .{ .color = c });
  }
  @export_symbol(data_ptr, "data");
  @export_symbol(main);
}
"""


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
def test_messages_leave_by_the_old_position(arch: str) -> None:
    machine = MACHINES[arch]
    sources = {"layout.csl": LAYOUT, "pe.csl": PE}
    engine = VectorEngine(elaborate(sources, "layout.csl", machine, {"n": 5}), machine)
    values = np.zeros((3, 3, 20), np.uint32)
    values[1, 1] = np.arange(20)
    engine.write("data", 0, 0, values)
    engine.launch("main")
    found = engine.read("data", 0, 0, 3, 3, 5)
    west, east, south, north = found[1, 0], found[1, 2], found[2, 1], found[0, 1]
    assert np.concatenate([west, east, south, north]).tolist() == list(range(20))
    assert engine.statistics().link_load[:, 1, 1].tolist() == [6, 6, 6, 6]
