from __future__ import annotations

import numpy as np
import pytest
from tests.runtime.library.engines import ENGINES

from waferc_ir.machine import machine
from waferc_runtime.csl.elaborate import elaborate

LAYOUT = """
param width: i16;
param height: i16;
param goal: u32;
const memcpy = @import_module("<memcpy/get_params>", .{ .width = width, .height = height });
const tally = @import_module("<kernels/tally/layout>", .{
  .kernel_width = width, .kernel_height = height, .phase2_tally = goal,
  .colors = [3]color{ @get_color(1), @get_color(2), @get_color(3) },
  .output_color = @get_color(4),
});
layout {
  @set_rectangle(width, height);
  for (@range(i16, width)) |i| {
    for (@range(i16, height)) |j| {
      @set_tile_code(i, j, "pe.csl", .{
        .memcpy_params = memcpy.get_params(i), .tally_params = tally.get_params(i, j),
      });
    }
  }
  @export_name("bumps", [*]u32, true);
  @export_name("sum", [*]u32, true);
  @export_name("main", fn()void);
  @export_name("late", fn()void);
}
"""
PE = """
param memcpy_params: comptime_struct;
param tally_params: comptime_struct;
const sys_mod = @import_module("<memcpy/memcpy>", memcpy_params);
const over: local_task_id = @get_local_task_id(15);
const tally = @import_module("<kernels/tally/pe>", .{
  .tally_params = tally_params, .callback = over,
  .input_queues = [2]u16{ 2, 3 }, .output_queues = [2]u16{ 4, 5 },
});
var bumps: [2]u32;
var sum: [2]u32;
var bumps_ptr: [*]u32 = &bumps;
var sum_ptr: [*]u32 = &sum;
task report() void { sum[0] = tally.local_tally; sum[1] += 1; }
fn bump(n: u32) void {
  var left = n;
  while (left > 0) : (left -= 1) { tally.bump_tally(1); }
}
fn main() void { bump(bumps[0]); tally.signal_completion(); sys_mod.unblock_cmd_stream(); }
fn late() void { bump(bumps[1]); tally.signal_completion(); sys_mod.unblock_cmd_stream(); }
comptime {
  @bind_local_task(report, over);
  @export_symbol(bumps_ptr, "bumps");
  @export_symbol(sum_ptr, "sum");
  @export_symbol(main);
  @export_symbol(late);
}
"""


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
@pytest.mark.parametrize(("width", "height"), [(4, 3), (1, 3), (2, 1)])
def test_the_corner_learns_when_all_is_counted(arch: str, width: int, height: int) -> None:
    bumps = np.random.default_rng(1).integers(0, 5, (height, width, 2)).astype(np.uint32)
    bumps[0, 0, 1] = 3
    goal = int(bumps.sum())
    sources = {"layout.csl": LAYOUT, "pe.csl": PE}
    params = {"width": width, "height": height, "goal": goal}
    program = elaborate(sources, "layout.csl", machine(arch), params)
    corner = (width - 1, 0)
    for engine_of in ENGINES:
        engine = engine_of(program, machine(arch))
        engine.write("bumps", 0, 0, bumps)
        engine.launch("main")
        assert engine.read("sum", *corner, 1, 1, 2).ravel().tolist() == [0, 0]
        engine.launch("late")
        sums = engine.read("sum", 0, 0, width, height, 2)
        assert sums[0, -1].tolist() == [goal, 1]
        assert sums.sum() == goal + 1


def test_without_a_second_phase_signals_are_enough() -> None:
    sources = {"layout.csl": LAYOUT, "pe.csl": PE}
    params = {"width": 3, "height": 2, "goal": 0}
    program = elaborate(sources, "layout.csl", machine("wse3"), params)
    for engine_of in ENGINES:
        engine = engine_of(program, machine("wse3"))
        engine.launch("main")
        assert engine.read("sum", 2, 0, 1, 1, 2).ravel().tolist() == [0, 1]
