"""A receiver that works longer on a word than words take to arrive: both engines' cycles."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from waferc_ir.machine import MACHINES
from waferc_runtime.csl.elaborate import elaborate
from waferc_runtime.reference.engine import ReferenceEngine
from waferc_runtime.vector.engine import VectorEngine

LAYOUT = """
param words: u16;
param delay: u16;
const memcpy = @import_module("<memcpy/get_params>", .{ .width = 2, .height = 1 });
const c: color = @get_color(3);
layout {
  @set_rectangle(2, 1);
  for (@range(u16, 2)) |x| {
    @set_tile_code(x, 0, "pe.csl", .{
      .memcpy_params = memcpy.get_params(x), .px = x, .words = words, .delay = delay, .c = c });
  }
  @set_color_config(0, 0, c, .{ .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST } } });
  @set_color_config(1, 0, c, .{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP } } });
  @export_name("data", [*]f32, true);
  @export_name("main", fn()void);
}
"""

PE = """
param memcpy_params: comptime_struct;
param px: u16;
param words: u16;
param delay: u16;
param c: color;
const sys_mod = @import_module("<memcpy/memcpy>", memcpy_params);
const iq: input_queue = @get_input_queue(2);
const oq: output_queue = @get_output_queue(2);
var data = @zeros([words]f32);
var scratch = @zeros([1]f32);
const data_ptr: [*]f32 = &data;
fn slow(x: f32) f32 { return (x + 1.0) * 2.0 - x * 0.5; }
fn main() void {
  const own = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{words} -> data[i] });
  const out = @get_dsd(fabout_dsd, .{ .fabric_color = c, .extent = words, .output_queue = oq });
  const in = @get_dsd(fabin_dsd, .{ .fabric_color = c, .extent = words, .input_queue = iq });
  if (px == 0) {
    for (@range(u16, delay)) |i| { scratch[0] += 1.0; }
    @fmovs(out, own);
  } else {
    @map(slow, in, own);
  }
  sys_mod.unblock_cmd_stream();
}
comptime {
  if (@is_arch("wse3")) {
    @initialize_queue(iq, .{ .color = c });
    @initialize_queue(oq, .{ .color = c });
  }
  @export_symbol(data_ptr, "data");
  @export_symbol(main);
}
"""


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["wse2", "wse3"]), st.integers(1, 40), st.integers(0, 60))
def test_a_slow_receiver_takes_words_at_its_own_pace(arch: str, words: int, delay: int) -> None:
    machine = MACHINES[arch]
    sources = {"layout.csl": LAYOUT, "pe.csl": PE}
    program = elaborate(sources, "layout.csl", machine, {"words": words, "delay": delay})
    sent = np.arange(words, dtype=np.float32).reshape(1, 1, words)
    cycles: list[int] = []
    for make in (ReferenceEngine, VectorEngine):
        engine = make(program, machine)
        engine.write("data", 0, 0, sent)
        engine.launch("main")
        found = engine.read("data", 1, 0, 1, 1, words)
        np.testing.assert_array_equal(found, (sent + 1) * 2 - sent * np.float32(0.5))
        cycles.append(engine.statistics().cycles)
    assert cycles[0] == cycles[1]
