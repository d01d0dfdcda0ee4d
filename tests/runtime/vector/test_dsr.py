"""Registers of descriptors: loads, saved addresses, single steps, asynchronous configs."""

from __future__ import annotations

import numpy as np
import pytest
from tests.runtime.vector.programs import engine_of, ran

from waferc_runtime.run_error import RunError

REGISTERS = """
const into = @get_dsr(dsr_dest, 1);
const from0 = @get_dsr(dsr_src0, 1);
const from1 = @get_dsr(dsr_src1, 1);
"""


def test_an_operation_starts_at_the_base_again_unless_the_address_is_saved() -> None:
    pe = (
        REGISTERS
        + """
var a = [6]f32{ 1, 2, 3, 4, 5, 6 };
var b = @zeros([6]f32);
const a_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{2} -> a[i] });
const b_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{2} -> b[i] });
fn main() void {
  @load_to_dsr(into, b_dsd, .{ .save_address = true });
  @load_to_dsr(from1, a_dsd, .{ .save_address = false });
  @fmovs(into, from1);
  @fmovs(into, from1);
  @load_to_dsr(from1, a_dsd, .{ .save_address = true });
  @fmovs(into, from1);
  sys_mod.unblock_cmd_stream();
}
"""
    )
    assert ran(pe, "b", 6, "f32").tolist() == [1, 2, 1, 2, 1, 2]


def test_a_row_of_a_matrix_follows_the_other() -> None:
    """The loop of a matrix-vector product, one row per call of the function."""
    pe = (
        REGISTERS
        + """
var w: [12]f16;
var x: [4]f16;
var y = @zeros([3]f16);
const w_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{3} -> w[i] });
const x_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{4} -> x[i] });
const y_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{3} -> y[i] });
fn step(v: f16) void { @fmach(into, from0, from1, v); }
fn main() void {
  @load_to_dsr(into, y_dsd, .{ .save_address = false });
  @load_to_dsr(from0, y_dsd, .{ .save_address = false });
  @load_to_dsr(from1, w_dsd, .{ .save_address = true });
  @map(step, x_dsd);
  sys_mod.unblock_cmd_stream();
}
"""
    )
    engine = engine_of(pe, {"w": "f16", "x": "f16", "y": "f16"}, width=3, height=2)
    draw = np.random.default_rng(1)
    w = draw.integers(-4, 5, (2, 3, 12)).astype(np.float16)
    x = draw.integers(-4, 5, (2, 3, 4)).astype(np.float16)
    engine.write("w", 0, 0, w)
    engine.write("x", 0, 0, x)
    for _ in range(2):
        engine.launch("main")
    expected = 2 * np.einsum("yxkn,yxk->yxn", w.reshape(2, 3, 4, 3), x)
    np.testing.assert_array_equal(engine.read("y", 0, 0, 3, 2, 3), expected)


def test_loads_before_the_program_starts() -> None:
    pe = (
        REGISTERS
        + """
var a = [3]f32{ 1, 2, 3 };
var b = @zeros([3]f32);
const a_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{3} -> a[i] });
const b_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{3} -> b[2 - i] });
comptime { @load_to_dsr(into, b_dsd); @load_to_dsr(from1, a_dsd); }
fn main() void { @fmovs(into, from1); sys_mod.unblock_cmd_stream(); }
"""
    )
    assert ran(pe, "b", 3, "f32").tolist() == [3, 2, 1]


def test_pes_may_load_different_things() -> None:
    pe = (
        REGISTERS
        + """
param px: u16;
var a = [4]f32{ 1, 2, 3, 4 };
var c = [4]f32{ 5, 6, 7, 8 };
var b = @zeros([4]f32);
var n: u16 = 0;
const a_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{2} -> a[i] });
const c_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{2} -> c[i] });
const b_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{4} -> b[i] });
fn main() void {
  @load_to_dsr(into, b_dsd);
  n = px;
  if (n == 1) { @load_to_dsr(from1, c_dsd, .{ .save_address = true }); }
  else { @load_to_dsr(from1, a_dsd, .{ .save_address = false }); }
  @fmovs(into, from1);
  @fmovs(into, from1);
  sys_mod.unblock_cmd_stream();
}
"""
    )
    engine = engine_of(pe, {"b": "f32"}, width=3)
    engine.launch("main")
    assert engine.read("b", 0, 0, 3, 1, 4)[0].tolist() == [
        [1, 2, 0, 0],
        [7, 8, 0, 0],
        [1, 2, 0, 0],
    ]


def test_a_register_that_nothing_was_loaded_into() -> None:
    pe = REGISTERS + "fn main() void { @fmovs(into, from1); sys_mod.unblock_cmd_stream(); }"
    pe += "\nvar b = @zeros([1]f32);"
    with pytest.raises(RunError, match="DSR dest 1 is used, into which nothing was loaded"):
        ran(pe, "b", 1, "f32")


def test_an_asynchronous_config_of_a_register() -> None:
    """The receiver's config says what follows; the operation itself says nothing."""
    pe = (
        REGISTERS
        + """
param px: u16;
const red: color = @get_color(3);
const iq = @get_input_queue(2);
const oq = @get_output_queue(3);
const after = @get_local_task_id(10);
var a = [4]f32{ 1, 2, 3, 4 };
var b = @zeros([4]f32);
const mem = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{4} -> a[i] });
const mem_b = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{4} -> b[i] });
const rx = @get_dsd(fabin_dsd, .{ .extent = 4, .input_queue = iq });
const tx = @get_dsd(fabout_dsd, .{ .extent = 4, .output_queue = oq });
task done() void {
  b[0] += 10.0;
  sys_mod.unblock_cmd_stream();
}
fn main() void {
  if (px == 0) {
    @fmovs(tx, mem, .{ .async = true, .activate = after });
  } else {
    @load_to_dsr(from1, rx, .{ .async = true, .activate = after });
    @fmovs(mem_b, from1);
  }
}
comptime {
  @bind_local_task(done, after);
  @initialize_queue(iq, .{ .color = red });
  @initialize_queue(oq, .{ .color = red });
}
"""
    )
    configs = """
      const c: color = @get_color(3);
      const out = .{ .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST } } };
      const back = .{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP } } };
      if (px == 0) { @set_color_config(px, py, c, out); }
      else { @set_color_config(px, py, c, back); }
    """
    engine = engine_of(pe, {"b": "f32"}, width=2, configs=configs)
    engine.launch("main")
    engine.finish()
    assert engine.read("b", 0, 0, 2, 1, 4)[0].tolist() == [[10, 0, 0, 0], [11, 2, 3, 4]]
