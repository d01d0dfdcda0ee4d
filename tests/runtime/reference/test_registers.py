"""DSRs: where operations leave them, their configs; misuse of registers, queues, microthreads."""

from __future__ import annotations

import pytest
from tests.runtime.reference.csl_programs import out, run

from waferc_runtime.run_error import RunError

DSRS = """
const dest = @get_dsr(dsr_dest, 1);
const src0 = @get_dsr(dsr_src0, 1);
const src1 = @get_dsr(dsr_src1, 1);
const grid = @get_dsd(mem4d_dsd, .{ .tensor_access = |i, j|{2, 3} -> words[8 * i + j] });
fn fill() void { for (@range(u16, 32)) |i| { words[i] = @as(u32, i); } }
"""
LOOP = "@set_color_config(px, py, @get_color(4), .{ .routes = .{ .rx = RAMP, .tx = RAMP } });"


def test_a_register_that_saves_its_address_goes_on_along_the_outermost_dimension() -> None:
    body = """
fn main() void {
  fill();
  @load_to_dsr(dest, @set_dsd_length(got, 6), .{ .save_address = true });
  @load_to_dsr(src1, grid, .{ .save_address = SAVES });
  @mov32(dest, src1);
  @mov32(dest, src1);
  sys_mod.unblock_cmd_stream();
}
"""
    engine = run(DSRS + body.replace("SAVES", "true"))
    assert out(engine, 0, 0, 12) == [0, 1, 2, 8, 9, 10, 16, 17, 18, 24, 25, 26]
    engine = run(DSRS + body.replace("SAVES", "false"))
    assert out(engine, 0, 0, 12) == [0, 1, 2, 8, 9, 10] * 2


def test_an_operation_leaves_the_address_behind_what_it_did() -> None:
    # the destination has seven elements, but the source, which has two, counts
    body = """
fn main() void {
  fill();
  @load_to_dsr(dest, @set_dsd_length(got, 7), .{ .save_address = true });
  @mov32(dest, @set_dsd_length(sent, 2));
  @mov32(dest, @set_dsd_length(sent, 3));
  sys_mod.unblock_cmd_stream();
}
"""
    assert out(run(DSRS + body), 0, 0, 6) == [0, 1, 0, 1, 2, 0]


def test_a_single_step_takes_one_element_each_time() -> None:
    body = """
fn take() void { @mov32(dest, src1); }
fn main() void {
  fill();
  @load_to_dsr(dest, got, .{ .single_step = true });
  @load_to_dsr(src1, grid, .{ .single_step = true });
  for (@range(u16, 4)) |i| { take(); }
  sys_mod.unblock_cmd_stream();
}
"""
    assert out(run(DSRS + body), 0, 0, 5) == [0, 1, 2, 8, 0]


def test_a_register_is_an_input_of_map() -> None:
    body = """
fn double(x: u32) u32 { return 2 * x; }
fn main() void {
  fill();
  @load_to_dsr(src1, @set_dsd_length(sent, 3), .{ .save_address = true });
  @map(double, src1, got);
  @map(double, src1, @increment_dsd_offset(got, 3, u32));
  sys_mod.unblock_cmd_stream();
}
"""
    assert out(run(DSRS + body), 0, 0, 7) == [0, 2, 4, 6, 8, 10, 0]


@pytest.mark.parametrize("repeat", ["", ", .{ .async = true }"])
def test_an_asynchronous_register_makes_operations_asynchronous(repeat: str) -> None:
    body = """
task done() void { out[7] = 7; sys_mod.unblock_cmd_stream(); }
comptime { @bind_local_task(done, @get_local_task_id(9)); }
const fin = @get_dsd(fabin_dsd, .{ .extent = 3, .input_queue = iq, .fabric_color = c });
fn main() void {
  @load_to_dsr(src1, fin, .{ .async = true, .activate = done });
  @load_to_dsr(dest, @set_dsd_length(got, 3));
  @mov32(dest, src1 REPEAT);
  send(3, 40);
}
"""
    engine = run(DSRS + body.replace("REPEAT", repeat), configs=LOOP)
    assert out(engine, 0, 0, 8) == [40, 41, 42, 0, 0, 0, 0, 7]


PREPARED = """
const fin = @get_dsd(fabin_dsd, .{ .extent = 3, .input_queue = iq, .fabric_color = c });
const fout = @get_dsd(fabout_dsd, .{ .extent = 3, .output_queue = oq, .fabric_color = c });
fn main() void {
  @mov32(@set_dsd_length(got, 3), fin, .{ .async = true });
  MORE
  sys_mod.unblock_cmd_stream();
}
"""


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            "@mov32(sent, fin, .{ .async = true });",
            r"@mov32 starts on microthread 2, which is still at work, on PE \(0, 0\)",
        ),
        ("@mov32(sent, fin);", r"@mov32 uses input queue 2, with which another operation"),
        ("@mov32(dest, sent);", r"DSR dest 1 is used, into which nothing was loaded, on PE"),
        (
            "@activate(@get_local_task_id(7));",
            r"task 7 is activated, which is bound to no function",
        ),
    ],
)
def test_misuse_is_told_with_place_pe_and_cycle(more: str, message: str) -> None:
    with pytest.raises(RunError, match=message) as caught:
        run(DSRS + PREPARED.replace("MORE", more), configs=LOOP)
    assert "pe.csl" in str(caught.value)
    assert "in main, at cycle" in str(caught.value)


def test_a_register_in_use_is_neither_loaded_nor_used() -> None:
    start = """
  @load_to_dsr(dest, got);
  @mov32(dest, fin, .{ .async = true });
"""
    for more in ("@load_to_dsr(dest, sent);", "@mov32(dest, @set_dsd_length(sent, 1));"):
        text = PREPARED.replace("@mov32(@set_dsd_length(got, 3), fin, .{ .async = true });", start)
        with pytest.raises(RunError, match="DSR dest 1 is used, with which an operation is still"):
            run(DSRS + text.replace("MORE", more), configs=LOOP)


def test_named_microthreads_of_wse3_may_share_a_queue() -> None:
    body = """
const fin = @get_dsd(fabin_dsd, .{ .extent = 2, .input_queue = iq });
fn main() void {
  @mov32(@set_dsd_length(got, 2), fin, .{ .async = true, .ut_id = @get_ut_id(4) });
  @mov32(sent, fin, .{ .async = true, .ut_id = @get_ut_id(NUMBER) });
  sys_mod.unblock_cmd_stream();
}
"""
    pe = DSRS + body
    with pytest.raises(RunError, match="at rest, but 1 PE still waits on color 4"):
        run(pe.replace("NUMBER", "5"), configs=LOOP, arch="wse3")
    with pytest.raises(RunError, match="microthread 4, which is still at work"):
        run(pe.replace("NUMBER", "4"), configs=LOOP, arch="wse3")


def test_the_index_moves_memory_and_fills_the_high_half() -> None:
    body = """
var halves = [4]u16 { 1, 2, 3, 4 };
const from = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{2} -> halves[i],
                                    .wavelet_index_offset = true });
const fout = @get_dsd(fabout_dsd, .{ .extent = 2, .output_queue = oq, .fabric_color = c,
                                     .wavelet_index_offset = true });
fn main() void {
  @mov16(fout, from, .{ .async = true, .index = 2 });
  receive(2);
  sys_mod.unblock_cmd_stream();
}
"""
    assert out(run(body, configs=LOOP), 0, 0, 2) == [0x20003, 0x20004]


def test_packed_halves_and_an_odd_tail() -> None:
    body = """
var halves = [5]u16 { 1, 2, 3, 4, 5 };
var back = @zeros([5]u16);
const from = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{5} -> halves[i] });
const to = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{5} -> back[i] });
const fout = @get_dsd(fabout_dsd, .{ .extent = 5, .output_queue = oq, .fabric_color = c,
                                     .simd_mode = .{ .simd_32 = true } });
const fin = @get_dsd(fabin_dsd, .{ .extent = 5, .input_queue = iq, .fabric_color = c,
                                   .simd_mode = .{ .simd_64 = true } });
fn main() void {
  @mov16(fout, from, .{ .async = true });
  receive(3);
  @mov16(fout, from, .{ .async = true });
  @mov16(to, fin);
  for (@range(u16, 5)) |i| { out[3 + i] = @as(u32, back[i]); }
  sys_mod.unblock_cmd_stream();
}
"""
    engine = run(body, configs=LOOP)
    assert out(engine, 0, 0, 8) == [0x20001, 0x40003, 5, 1, 2, 3, 4, 5]


def test_one_side_packs_and_the_other_does_not() -> None:
    # halves come packed and leave one per wavelet, as the operation between forwards them
    body = """
var halves = [3]u16 { 7, 8, 9 };
const from = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{3} -> halves[i] });
const packed = @get_dsd(fabout_dsd, .{ .extent = 3, .output_queue = oq, .fabric_color = c,
                                       .simd_mode = .{ .simd_32 = true } });
const fin = @get_dsd(fabin_dsd, .{ .extent = 3, .input_queue = iq, .fabric_color = c,
                                   .simd_mode = .{ .simd_32 = true } });
const d = @get_color(5);
const iq5 = @get_input_queue(4);
const single = @get_dsd(fabout_dsd, .{ .extent = 3, .output_queue = @get_output_queue(5),
                                       .fabric_color = d });
const fin5 = @get_dsd(fabin_dsd, .{ .extent = 3, .input_queue = iq5, .fabric_color = d });
comptime { @initialize_queue(iq5, .{ .color = d }); }
fn main() void {
  @mov16(packed, from, .{ .async = true });
  @mov16(single, fin, .{ .async = true });
  @mov32(@set_dsd_length(got, 3), fin5);
  sys_mod.unblock_cmd_stream();
}
"""
    configs = LOOP + LOOP.replace("4", "5")
    assert out(run(body, configs=configs), 0, 0, 3) == [7, 8, 9]
