"""Control tasks, on_control, priorities, the order of tasks, handlers, blocked microthreads."""

from __future__ import annotations

import pytest
from tests.runtime.reference.csl_programs import engine_for, out, program, run

from waferc_ir.machine import machine
from waferc_runtime.choices import Choices, TaskOrder
from waferc_runtime.observer import OperationEvent, PrintEvent, TaskEvent
from waferc_runtime.reference import ReferenceEngine
from waferc_runtime.run_error import RunError
from waferc_runtime.vector import VectorEngine

LOOP = "@set_color_config(px, py, @get_color(4), .{ .routes = .{ .rx = RAMP, .tx = RAMP } });"


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
def test_a_control_wavelet_starts_the_task_of_its_entrypoint(arch: str) -> None:
    body = """
const entry = @get_control_task_id(40);
task take(word: u32) void { out[0] += word; }
task end(data: u16) void { out[1] = out[0]; out[2] = @as(u32, data); }
comptime {
  @bind_data_task(take, @get_data_task_id(CHANNEL));
  @bind_control_task(end, entry);
}
fn main() void {
  send(3, 5);
  command(control.encode_single_payload(control.opcode.NOP, false, {}, 0));
  command(control.encode_single_payload(control.opcode.NOP, false, entry, 77));
  send(1, 100);
  sys_mod.unblock_cmd_stream();
}
"""
    channel = "c" if arch == "wse2" else "iq"
    engine = run(body.replace("CHANNEL", channel), arch=arch, configs=LOOP)
    # the control wavelet in between has no entrypoint, and nobody takes it
    assert out(engine, 0, 0, 3) == [118, 18, 77]


def test_a_control_wavelet_ends_an_operation_that_says_so() -> None:
    body = """
const fin = @get_dsd(fabin_dsd, .{ .extent = 50, .input_queue = iq, .fabric_color = c });
task told() void { out[60] += 1; }
task done() void { out[61] += 1; receive(2); sys_mod.unblock_cmd_stream(); }
comptime {
  @bind_local_task(told, @get_local_task_id(9));
  @bind_local_task(done, @get_local_task_id(10));
}
fn main() void {
  @mov32(@increment_dsd_offset(got, 10, u32), fin,
         .{ .async = true, .on_control = .{ .activate = told }, .activate = done });
  send(4, 5);
  command(control.encode_single_payload(control.opcode.NOP, false, {}, 0));
  send(2, 30);
}
"""
    words = out(run(body, configs=LOOP), 0, 0, 62)
    assert words[10:15] == [5, 6, 7, 8, 0]
    assert words[:2] == [30, 31]
    assert words[60:] == [1, 1]


def test_a_control_wavelet_is_data_for_other_operations() -> None:
    body = """
fn main() void {
  command(control.encode_single_payload(control.opcode.NOP, false, {}, 9));
  receive(1);
  sys_mod.unblock_cmd_stream();
}
"""
    assert out(run(body, configs=LOOP), 0, 0, 1) == [0x1F0009]


def test_a_data_task_can_leave_its_color_to_an_operation() -> None:
    body = """
const id = @get_data_task_id(c);
const fin = @get_dsd(fabin_dsd, .{ .extent = 3, .input_queue = iq, .fabric_color = c });
var at: u16 = 0;
task head(word: u32) void {
  out[32 + at] = word;
  @block(id);
  @mov32(@increment_dsd_offset(@set_dsd_length(got, 3), @as(i16, 8 * at), u32), fin,
         .{ .async = true, .unblock = c });
  at += 1;
}
comptime { @bind_data_task(head, id); }
fn main() void { send(4, 10); send(4, 20); sys_mod.unblock_cmd_stream(); }
"""
    words = out(run(body, configs=LOOP), 0, 0, 34)
    assert (words[32:], words[:3], words[8:11]) == ([10, 20], [11, 12, 13], [21, 22, 23])


BEHIND_AN_OPERATION = """
var count: u16 = 0;
const local = @get_local_task_id(9);
task take(word: u32) void { out[count] = word; count += 1; }
task t9() void { out[count] = 9; count += 1; }
comptime {
  @bind_data_task(take, @get_data_task_id(c));
  @bind_local_task(t9, local);
}
const one = @get_dsd(fabin_dsd, .{ .extent = 1, .input_queue = iq, .fabric_color = c });
fn main() void {
  send(2, 20);
  for (@range(u16, 20)) |i| { out[40] += 1; }
  @activate(local);
  @mov32(@set_dsd_base_addr(@set_dsd_length(got, 1), &out[32]), one, .{ .async = true });
  for (@range(u16, 20)) |i| { out[40] += 1; }
  sys_mod.unblock_cmd_stream();
}
"""


@pytest.mark.parametrize("engine", [ReferenceEngine, VectorEngine])
def test_words_behind_an_operation_are_runnable_when_it_ends(
    engine: type[ReferenceEngine] | type[VectorEngine],
) -> None:
    made = engine(program(BEHIND_AN_OPERATION, configs=LOOP), machine("wse2"))
    made.launch("main")
    words = made.read("out", 0, 0, 1, 1, 33)[0, 0].tolist()
    assert (words[:2], words[32]) == ([9, 21], 20)


ORDER = """
var count: u16 = 0;
fn note(id: u32) void { out[count] = id; count += 1; }
task t9() void { note(9); }
task t10() void { note(10); }
task t11() void { note(11); @activate(@get_local_task_id(9)); }
comptime {
  @bind_local_task(t9, @get_local_task_id(9));
  @bind_local_task(t10, @get_local_task_id(10));
  @bind_local_task(t11, @get_local_task_id(11));
}
fn main() void {
  @activate(@get_local_task_id(11)); @activate(@get_local_task_id(10));
  MORE
  sys_mod.unblock_cmd_stream();
}
"""


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("arrival", [11, 10, 9]),
        ("lowest_id", [10, 11, 9]),
        ("round_robin", [10, 11, 9]),
    ],
)
def test_the_order_of_tasks_is_a_choice(order: TaskOrder, expected: list[int]) -> None:
    engine, _ = engine_for(ORDER.replace("MORE", ""), choices=Choices(order))
    engine.launch("main")
    assert out(engine, 0, 0, 3) == expected


def test_random_orders_differ_between_seeds_and_repeat() -> None:
    found: list[list[int]] = []
    for seed in (0, 1, 2, 3, 0):
        engine, _ = engine_for(ORDER.replace("MORE", ""), choices=Choices("random", seed))
        engine.launch("main")
        found.append(out(engine, 0, 0, 3))
    assert found[0] == found[4]
    assert len({tuple(order) for order in found}) > 1


def test_an_urgent_task_goes_first() -> None:
    urgent = """
const tile = @import_module("<tile_config>");
EARLY
"""
    early = "comptime { tile.task_priority.set_task_priority(@get_local_task_id(10)); }"
    late = early.removeprefix("comptime { ").removesuffix(" }")
    engine = run(urgent.replace("EARLY", early) + ORDER.replace("MORE", ""))
    assert out(engine, 0, 0, 3) == [10, 11, 9]
    engine = run(urgent.replace("EARLY", "") + ORDER.replace("MORE", late))
    assert out(engine, 0, 0, 3) == [10, 11, 9]


def test_blocked_tasks_that_are_active_are_told() -> None:
    more = "@block(@get_local_task_id(10)); receive(1);"
    with pytest.raises(RunError) as caught:
        run(ORDER.replace("MORE", more), configs=LOOP)
    assert "PE (0, 0) has blocked active tasks: t10" in str(caught.value)


def test_a_blocked_microthread_waits_until_it_is_unblocked() -> None:
    body = """
const ut = @get_ut_id(5);
const fin = @get_dsd(fabin_dsd, .{ .extent = 2, .input_queue = iq });
task late() void { UNBLOCK }
comptime { @bind_local_task(late, @get_local_task_id(9)); }
fn main() void {
  @block(ut);
  @mov32(@set_dsd_length(got, 2), fin, .{ .async = true, .ut_id = ut });
  send(2, 3);
  @activate(@get_local_task_id(9));
  sys_mod.unblock_cmd_stream();
}
"""
    engine = run(body.replace("UNBLOCK", "@unblock(ut);"), arch="wse3", configs=LOOP)
    assert out(engine, 0, 0, 2) == [3, 4]
    with pytest.raises(RunError, match="until microthread 5 is unblocked"):
        run(body.replace("UNBLOCK", ""), arch="wse3", configs=LOOP)


def test_a_flushed_queue_tells_its_handler_when_it_is_empty() -> None:
    body = """
const tile = @import_module("<tile_config>");
fn drained() void { out[30] += 1; tile.queue_flush.exit(oq); }
comptime { @set_empty_queue_handler(drained, oq); }
fn main() void {
  send(8, 1);
  @queue_flush(oq);
  out[31] = out[30];
  receive(8);
  sys_mod.unblock_cmd_stream();
}
"""
    words = out(run(body, arch="wse3", configs=LOOP), 0, 0, 32)
    assert words[30:] == [1, 0]


def test_functions_call_themselves_some_hundred_times() -> None:
    body = """
fn sum(n: u32) u32 { if (n == 0) { return 0; } return n + sum(n - 1); }
fn main() void { out[0] = sum(400); sys_mod.unblock_cmd_stream(); }
"""
    assert out(run(body), 0, 0, 1) == [400 * 401 // 2]
    with pytest.raises(RunError, match="calls are nested more than 512 deep"):
        run(body.replace("400", "600"))


def test_what_happened_is_told() -> None:
    body = """
const fin = @get_dsd(fabin_dsd, .{ .extent = 2, .input_queue = iq, .fabric_color = c });
task done() void { sys_mod.unblock_cmd_stream(); }
comptime { @bind_local_task(done, @get_local_task_id(9)); }
fn main() void {
  @mov32(@set_dsd_length(got, 2), fin, .{ .async = true, .activate = done });
  send(2, 3);
}
"""
    engine, notes = engine_for(body, configs=LOOP)
    engine.launch("main")
    tasks = [event for event in notes.events if isinstance(event, TaskEvent)]
    assert [(event.name, event.kind) for event in tasks] == [("main", "host"), ("done", "local")]
    assert tasks[0].begin == 0
    assert tasks[0].end <= tasks[1].begin < tasks[1].end
    (move,) = [event for event in notes.events if isinstance(event, OperationEvent)]
    assert (move.name, move.microthread) == ("@mov32", 2)
    assert move.begin < move.end <= tasks[1].begin
    assert not [event for event in notes.events if isinstance(event, PrintEvent)]
