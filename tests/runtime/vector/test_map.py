"""`@map` in general: side effects, fabric operands, DSRs, pointers, lengths that differ."""

from __future__ import annotations

import numpy as np
import pytest
from tests.runtime.vector.test_fifo import out

from waferc_runtime.run_error import RunError

TWO = """
      const c: color = @get_color(3);
      const there = .{ .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST } } };
      const here = .{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP } } };
      if (px == 0) { @set_color_config(px, py, c, there); }
      else { @set_color_config(px, py, c, here); }
"""
FABRIC = """
param px: u16;
const red: color = @get_color(3);
const iq = @get_input_queue(2);
const oq = @get_output_queue(3);
comptime {
  @initialize_queue(iq, .{ .color = red });
  @initialize_queue(oq, .{ .color = red });
}
const rx = @get_dsd(fabin_dsd, .{ .extent = 5, .input_queue = iq });
const tx = @get_dsd(fabout_dsd, .{ .extent = 5, .output_queue = oq });
"""


def test_functions_with_side_effects_receive_and_send() -> None:
    pe = f"""{FABRIC}
var a = [5]u16{{ 3, 1, 4, 1, 5 }}; var out = @zeros([5]u16); var total: u16 = 0;
const a_dsd = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{5}} -> a[i] }});
const out_dsd = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{5}} -> out[i] }});
fn sum(x: u16) u16 {{
  if (x > 1) {{ total += x; }}
  return total;
}}
fn main() void {{
  if (px == 0) {{ @map(sum, a_dsd, tx); }}
  else {{ @map(sum, rx, out_dsd); }}
  sys_mod.unblock_cmd_stream();
}}
"""
    assert out(pe, 5, 2, configs=TWO)[1].tolist() == [3, 6, 13, 20, 32]


def test_functions_with_side_effects_leave_saved_addresses_behind_what_they_took() -> None:
    pe = """
var a = [4]u16{ 1, 2, 3, 4 }; var out = @zeros([4]u16); var total: u16 = 0;
const a_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{2} -> a[i] });
const out_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{2} -> out[i] });
const from = @get_dsr(dsr_src1, 1);
const into = @get_dsr(dsr_dest, 1);
fn sum(x: u16) u16 { total += x; return total; }
fn main() void {
  @load_to_dsr(from, a_dsd, .{ .save_address = true });
  @load_to_dsr(into, out_dsd, .{ .save_address = true });
  @map(sum, from, into);
  @map(sum, from, into);
  sys_mod.unblock_cmd_stream();
}
"""
    assert out(pe, 4)[0].tolist() == [1, 3, 6, 10]


def test_lengths_that_differ_between_pes() -> None:
    pe = """
param px: u16;
var a = [4]u16{ 1, 2, 3, 4 }; var out = @zeros([4]u16); var n: u16 = 0;
const a_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{4} -> a[i] });
const out_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{4} -> out[i] });
fn twice(x: u16) u16 { return 2 * x; }
fn main() void {
  n = px + 1;
  @map(twice, @set_dsd_length(a_dsd, n), out_dsd);
  sys_mod.unblock_cmd_stream();
}
"""
    found = out(pe, 4, 3)
    assert found.tolist() == [[2, 0, 0, 0], [2, 4, 0, 0], [2, 4, 6, 0]]


def test_a_pointer_goes_through_to_the_function() -> None:
    pe = """
var a = [4]u16{ 1, 2, 3, 4 }; var out = @zeros([1]u16);
const a_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{4} -> a[i] });
fn add(x: u16, sum: *u16) u16 { return sum.* + x; }
fn main() void {
  @map(add, a_dsd, &out[0], &out[0]);
  sys_mod.unblock_cmd_stream();
}
"""
    assert out(pe, 1)[0].tolist() == [10]


def test_registers_as_operands() -> None:
    pe = """
var a = [6]u16{ 1, 2, 3, 4, 5, 6 }; var out = @zeros([6]u16);
const from = @get_dsr(dsr_src1, 2);
const into = @get_dsr(dsr_dest, 2);
const a_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{3} -> a[i] });
const out_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{3} -> out[i] });
fn next(x: u16) u16 { return x + 1; }
fn main() void {
  @load_to_dsr(from, a_dsd, .{ .save_address = true });
  @load_to_dsr(into, out_dsd, .{ .save_address = true });
  @map(next, from, into);
  @mov16(into, from);
  sys_mod.unblock_cmd_stream();
}
"""
    assert out(pe, 6)[0].tolist() == [2, 3, 4, 4, 5, 6]


def test_calls_that_return_one_by_one() -> None:
    """PEs go different ways in the function and meet again behind it."""
    pe = """
param px: u16;
var a = [4]u16{ 1, 2, 3, 4 }; var out = @zeros([4]u16); var n: u16 = 0;
const a_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{4} -> a[i] });
const out_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{4} -> out[i] });
fn mark(x: u16) u16 {
  if (x > px) { n += x; return n; }
  n += 1;
  return x;
}
fn main() void {
  @map(mark, a_dsd, out_dsd);
  sys_mod.unblock_cmd_stream();
}
"""
    found = out(pe, 4, 4)
    for px in range(4):
        n = 0
        wanted: list[int] = []
        for x in (1, 2, 3, 4):
            n += x if x > px else 1
            wanted.append(n if x > px else x)
        np.testing.assert_array_equal(found[px], wanted)


def test_recursion_a_few_hundred_deep() -> None:
    pe = """
var out = @zeros([1]u16); var n: u16 = 0;
fn down(x: u16) u16 { if (x == 0) { return 0; } return down(x - 1) + 2; }
fn main() void {
  n = 300;
  out[0] = down(n);
  sys_mod.unblock_cmd_stream();
}
"""
    assert out(pe, 1)[0].tolist() == [600]


def test_a_blocked_microthread_waits_until_it_is_unblocked() -> None:
    pe = f"""{FABRIC}
var a = [5]u16{{ 3, 1, 4, 1, 5 }}; var out = @zeros([5]u16);
const a_dsd = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{5}} -> a[i] }});
const out_dsd = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{5}} -> out[i] }});
const ut = @get_ut_id(4);
const done = @get_local_task_id(9);
task finish() void {{ sys_mod.unblock_cmd_stream(); }}
fn main() void {{
  if (px == 0) {{ @mov16(tx, a_dsd, .{{ .async = true, .activate = done }}); }}
  else {{
    @block(ut);
    @mov16(out_dsd, rx, .{{ .async = true, .activate = done, .ut_id = ut }});
    for (@range(u16, 50)) |i| {{ a[0] += i; }}
    SECOND
  }}
}}
comptime {{ @bind_local_task(finish, done); }}
"""
    assert out(pe.replace("SECOND", "@unblock(ut);"), 5, 2, configs=TWO)[1].tolist() == [
        3, 1, 4, 1, 5,
    ]  # fmt: skip
    with pytest.raises(RunError) as caught:
        out(pe.replace("SECOND", ""), 5, 2, configs=TWO)
    assert "until microthread 4 is unblocked (0 of 5 done)" in str(caught.value)
