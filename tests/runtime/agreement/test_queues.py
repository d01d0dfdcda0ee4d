"""Both engines on queues that a program flushes and binds anew, and on registers of a PE."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runtime.csl.programs import build

from waferc_ir.machine import machine
from waferc_runtime.csl.core import Elaborated
from waferc_runtime.reference.engine import ReferenceEngine
from waferc_runtime.run_error import RunError
from waferc_runtime.vector.engine import VectorEngine

EXPORTS = '@export_name("out", [*]u32, true); @export_name("main", fn(u16, u16, u16, u16)void);'
TWO_COLORS = """
      const east = .{ .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST } } };
      const west = .{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP } } };
      @set_color_config(px, py, @get_color(3), if (px == 0) east else west);
      @set_color_config(px, py, @get_color(4), if (px == 0) east else west);
"""
HEAD = """
param px: u16;
const tile = @import_module("<tile_config>");
const red: color = @get_color(3);
const blue: color = @get_color(4);
const iq = @get_input_queue(2);
const oq = @get_output_queue(3);
var out: [64]u32;
var out_ptr: [*]u32 = &out;
var n: u16 = 0;
fn note(value: u32) void { out[n] = value; n += 1; }
comptime { @export_symbol(out_ptr, "out"); @export_symbol(main); }
"""
# PE 0 sends on red; when its queue is empty it binds that to blue and sends again.
FLUSH = """
var words: [40]u32;
var first: u16 = 0;
var second_count: u16 = 0;
var amount: u16 = 0;
const sent = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{40} -> words[i] });
const got = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{40} -> out[i] });
const fout = @get_dsd(fabout_dsd, .{ .extent = 1, .output_queue = oq });
const fin = @get_dsd(fabin_dsd, .{ .extent = 1, .input_queue = iq });
const again = @get_local_task_id(9);
const drained = @get_local_task_id(10);
const busy = @get_local_task_id(11);
fn emptied() void {
  note(@as(u32, tile.queue_flush.oq_status()));
  tile.output_queue_config.encode_output_queue(3, @get_int(blue));
  tile.queue_flush.exit(oq);
  note(@as(u32, tile.queue_flush.oq_status()));
  @activate(again);
}
task empty() void { @queue_flush(oq); }
task work() void { note(7); for (@range(u16, amount)) |i| { words[39] += 1; } }
task second() void {
  note(8);
  @mov32(@set_dsd_length(fout, second_count), @set_dsd_length(sent, second_count));
  note(9);
}
task receive() void {
  tile.input_queue_config.encode_input_queue(2, @get_int(blue), false);
  @mov32(@set_dsd_base_addr(@set_dsd_length(got, second_count), &out[first]),
         @set_dsd_length(fin, second_count));
}
fn main(a: u16, b: u16, delay: u16, work_of: u16) void {
  first = a; second_count = b; amount = work_of;
  if (px == 0) {
    for (@range(u16, 40)) |i| { words[i] = 100 + @as(u32, i); }
    @mov32(@set_dsd_length(fout, first), @set_dsd_length(sent, first),
           .{ .async = true, .activate = drained });
    @activate(busy);
  } else {
    for (@range(u16, delay)) |i| { out[63] += 1; }
    @mov32(@set_dsd_length(got, first), @set_dsd_length(fin, first));
    @activate(again);
  }
  sys_mod.unblock_cmd_stream();
}
comptime {
  if (px == 0) {
    @initialize_queue(oq, .{ .color = red });
    @set_empty_queue_handler(emptied, oq);
    @bind_local_task(second, again);
    @bind_local_task(empty, drained);
    @bind_local_task(work, busy);
  } else {
    @initialize_queue(iq, .{ .color = red });
    @bind_local_task(receive, again);
  }
}
"""


ARGUMENTS = (0, 0, 0, 0)


@cache
def program(pe: str, arch: str = "wse3") -> Elaborated:
    return build(HEAD + pe, exports=EXPORTS, width=2, configs=TWO_COLORS, arch=arch)


def engines(pe: str, arch: str = "wse3") -> list[VectorEngine | ReferenceEngine]:
    made = program(pe, arch)
    return [VectorEngine(made, machine(arch)), ReferenceEngine(made, machine(arch))]


def outcomes(
    pe: str, arguments: Sequence[int] = ARGUMENTS, arch: str = "wse3"
) -> list[tuple[list[int], int]]:
    """What both PEs wrote down, and the cycles, on both engines."""
    found: list[tuple[list[int], int]] = []
    for engine in engines(pe, arch):
        engine.launch("main", *arguments)
        words = engine.read("out", 0, 0, 2, 1, 64).reshape(-1).tolist()
        found.append((words, engine.statistics().cycles))
    return found


@settings(max_examples=25)
@given(
    first=st.integers(1, 39), second=st.integers(1, 24),
    delay=st.sampled_from([0, 3, 20, 60]), work=st.sampled_from([0, 2, 9, 40]),
)  # fmt: skip
def test_a_flushed_queue_is_bound_to_another_color(
    first: int, second: int, delay: int, work: int
) -> None:
    vector, reference = outcomes(FLUSH, (first, second, delay, work))
    assert vector == reference
    words = list(range(100, 140))
    assert vector[0][64 : 64 + first + second] == words[:first] + words[:second]
    assert sorted(vector[0][:5]) == [0, 7, 8, 8, 9]


@pytest.mark.parametrize(
    ("before", "used"),
    [
        ("", "fout"),
        ("@load_to_dsr(register, fout);", "register"),
        ("var held = fout;", "held"),
    ],
    ids=["named", "in a register", "in a variable"],
)
def test_one_of_two_alike_pes_binds_its_queue_anew(before: str, used: str) -> None:
    pe = """
const register = @get_dsr(dsr_dest, 1);
const blue_iq = @get_input_queue(4);
const fout = @get_dsd(fabout_dsd, .{ .extent = 1, .output_queue = oq });
const got = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{1} -> out[i] });
const from_red = @get_dsd(fabin_dsd, .{ .extent = 1, .input_queue = iq });
const from_blue = @get_dsd(fabin_dsd, .{ .extent = 1, .input_queue = blue_iq });
comptime {
  @initialize_queue(oq, .{ .color = red });
  @initialize_queue(iq, .{ .color = red });
  @initialize_queue(blue_iq, .{ .color = blue });
}
fn main(a: u16, b: u16, c: u16, d: u16) void {
  const is_bound_anew = out[1] == 1;
  BEFORE
  if (is_bound_anew) { tile.output_queue_config.encode_output_queue(3, @get_int(blue)); }
  @mov32(USED, 5 + out[1]);
  if (is_bound_anew) { @mov32(got, from_blue); } else { @mov32(got, from_red); }
  sys_mod.unblock_cmd_stream();
}
"""
    back = ".{ .routes = .{ .rx = .{ RAMP }, .tx = .{ RAMP } } }"
    configs = "".join(f"@set_color_config(px, py, @get_color({n}), {back});" for n in (3, 4))
    pe = pe.replace("BEFORE", before).replace("USED", used)
    made = build(HEAD + pe, exports=EXPORTS, width=2, configs=configs)
    assert len(made.classes) == 1
    for engine in (VectorEngine(made, machine("wse3")), ReferenceEngine(made, machine("wse3"))):
        engine.write("out", 1, 0, np.array([[[0, 1]]], np.uint32))
        engine.launch("main", *ARGUMENTS)
        assert engine.read("out", 0, 0, 2, 1, 1).reshape(-1).tolist() == [5, 6]


def test_priorities_of_tasks_are_set_at_run_time() -> None:
    pe = """
const low = @get_local_task_id(9);
const high = @get_local_task_id(10);
task one() void { note(1); }
task two() void { note(2); }
comptime { @bind_local_task(one, low); @bind_local_task(two, high); }
fn main(a: u16, b: u16, c: u16, d: u16) void {
  @set_config(0x7f62, 1024);
  @activate(low); @activate(high);
  note(@as(u32, @get_config(0x7f62)));
  sys_mod.unblock_cmd_stream();
}
"""
    vector, reference = outcomes(pe)
    assert vector == reference
    assert vector[0][:3] == [1024, 2, 1]


def test_registers_are_set_before_the_program_starts() -> None:
    pe = """
const fout = @get_dsd(fabout_dsd, .{ .extent = 2, .fabric_color = red, .output_queue = oq });
const got = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{2} -> out[i] });
const fin = @get_dsd(fabin_dsd, .{ .extent = 2, .fabric_color = red, .input_queue = iq });
comptime {
  @initialize_queue(iq, .{ .color = red });
  if (px == 0) { @set_config(0x7f23, 0x210); }
}
fn main(a: u16, b: u16, c: u16, d: u16) void {
  if (px == 0) { @mov32(fout, @as(u32, 5)); @mov32(got, fin); }
  sys_mod.unblock_cmd_stream();
}
"""
    vector, reference = outcomes(pe, arch="wse2")
    assert vector == reference
    assert vector[0][:2] == [5, 5]


def test_queues_that_some_pes_bind_are_read_on_all() -> None:
    pe = """
var place: u16 = px;
fn main(a: u16, b: u16, c: u16, d: u16) void {
  if (place == a) { tile.output_queue_config.encode_output_queue(3, @get_int(blue)); }
  note(@as(u32, @get_config(0x7b83)));
  sys_mod.unblock_cmd_stream();
}
"""
    vector, reference = outcomes(pe, (1, 0, 0, 0))
    assert vector == reference
    assert vector[0][::64] == [0, 4 << 4]


def test_registers_that_there_are_not_are_named() -> None:
    pe = "fn main(a: u16, b: u16, c: u16, d: u16) void { SAY sys_mod.unblock_cmd_stream(); }"
    for engine in engines(pe.replace("SAY", "@set_config(0x1234, 1);")):
        with pytest.raises(RunError, match="no configuration register is known at 0x1234"):
            engine.launch("main", *ARGUMENTS)
    for engine in engines(pe.replace("SAY", "@set_config(0x7f67, 1);")):
        with pytest.raises(RunError, match="register 0x7f67 is read only"):
            engine.launch("main", *ARGUMENTS)
