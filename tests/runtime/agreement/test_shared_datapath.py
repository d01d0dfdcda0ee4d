"""Threads of a PE on datapaths of their own, on both engines, and in turns on one."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waferc_ir.machine import MACHINES
from waferc_runtime.choices import Choices
from waferc_runtime.csl.elaborate import elaborate
from waferc_runtime.observer import Event, Observer, OperationEvent
from waferc_runtime.reference.engine import ReferenceEngine
from waferc_runtime.run_error import RunError
from waferc_runtime.vector.engine import VectorEngine

WIDTH = 4

LAYOUT = """
param sent: u16;
param own: u16;
param operations: u16;
param receives_first: bool;
param urgent: bool;
const to_east = [2]color{ @get_color(1), @get_color(2) };
const to_west = [2]color{ @get_color(3), @get_color(4) };
layout {
  @set_rectangle(4, 1);
  for (@range(u16, 4)) |x| {
    @set_tile_code(x, 0, "pe.csl", .{
      .px = x, .sent = sent, .own = own, .operations = operations,
      .receives_first = receives_first, .urgent = urgent,
      .east_out = to_east[x % 2], .east_in = to_east[(x + 1) % 2],
      .west_out = to_west[x % 2], .west_in = to_west[(x + 1) % 2],
    });
  }
  for (@range(u16, 3)) |x| {
    const east = to_east[x % 2];
    const west = to_west[(x + 1) % 2];
    @set_color_config(x, 0, east, .{ .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST } } });
    @set_color_config(x + 1, 0, east, .{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP } } });
    @set_color_config(x + 1, 0, west, .{ .routes = .{ .rx = .{ RAMP }, .tx = .{ WEST } } });
    @set_color_config(x, 0, west, .{ .routes = .{ .rx = .{ EAST }, .tx = .{ RAMP } } });
  }
}
"""

PE = """
param px: u16;
param sent: u16;
param own: u16;
param operations: u16;
param receives_first: bool;
param urgent: bool;
param east_out: color;
param east_in: color;
param west_out: color;
param west_in: color;
const from_west_queue: input_queue = @get_input_queue(2);
const from_east_queue: input_queue = @get_input_queue(3);
const east_queue: output_queue = @get_output_queue(4);
const west_queue: output_queue = @get_output_queue(5);
const done_id: local_task_id = @get_local_task_id(12);
const begin_id: local_task_id = @get_local_task_id(13);
const sides: i16 = if (px == 0 or px == 3) 1 else 2;
var data = @constants([sent]f32, 1.0);
var from_west = @zeros([sent]f32);
var from_east = @zeros([sent]f32);
var scratch = @constants([own]f32, 2.0);
var open: i16 = 2 * sides;
const data_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{sent} -> data[i] });
const from_west_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{sent} -> from_west[i] });
const from_east_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{sent} -> from_east[i] });
const scratch_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{own} -> scratch[i] });
const east = @get_dsd(fabout_dsd, .{
  .fabric_color = east_out, .extent = sent, .output_queue = east_queue,
});
const west = @get_dsd(fabout_dsd, .{
  .fabric_color = west_out, .extent = sent, .output_queue = west_queue,
});
const west_side = @get_dsd(fabin_dsd, .{
  .fabric_color = east_in, .extent = sent, .input_queue = from_west_queue,
});
const east_side = @get_dsd(fabin_dsd, .{
  .fabric_color = west_in, .extent = sent, .input_queue = from_east_queue,
});
fn receive() void {
  if (px > 0) {
    @fmuls(from_west_dsd, west_side, 3.0,
      .{ .async = true, .activate = from_west_done });
  }
  if (px < 3) {
    @fmuls(from_east_dsd, east_side, 5.0,
      .{ .async = true, .activate = from_east_done });
  }
}
fn send() void {
  if (px < 3) { @fmovs(east, data_dsd, .{ .async = true, .activate = east_done }); }
  if (px > 0) { @fmovs(west, data_dsd, .{ .async = true, .activate = west_done }); }
}
fn send_at_once() void {
  const high = .{ .high = true };
  if (px < 3) {
    @fmovs(east, data_dsd, .{ .async = true, .activate = east_done, .priority = high });
  }
  if (px > 0) {
    @fmovs(west, data_dsd, .{ .async = true, .activate = west_done, .priority = high });
  }
}
fn work() void {
  for (@range(u16, operations)) |i| { @fadds(scratch_dsd, scratch_dsd, 1.0); }
}
task begin() void {
  if (receives_first) { receive(); }
  if (urgent) { send_at_once(); } else { send(); }
  if (!receives_first) { receive(); }
  work();
}
fn count() void {
  open -= 1;
  if (open == 0) {
    @fadds(from_west_dsd, from_west_dsd, from_east_dsd);
  }
}
task a() void { count(); }
task b() void { count(); }
task c() void { count(); }
task d() void { count(); }
const from_west_done: local_task_id = @get_local_task_id(8);
const from_east_done: local_task_id = @get_local_task_id(9);
const east_done: local_task_id = @get_local_task_id(10);
const west_done: local_task_id = @get_local_task_id(11);
comptime {
  if (@is_arch("wse3")) {
    @initialize_queue(from_west_queue, .{ .color = east_in });
    @initialize_queue(from_east_queue, .{ .color = west_in });
    @initialize_queue(east_queue, .{ .color = east_out });
    @initialize_queue(west_queue, .{ .color = west_out });
  }
  @bind_local_task(begin, begin_id);
  @bind_local_task(a, from_west_done);
  @bind_local_task(b, from_east_done);
  @bind_local_task(c, east_done);
  @bind_local_task(d, west_done);
  @activate(begin_id);
}
"""


@dataclass(frozen=True)
class Load:
    """What the threads of a PE have to do: words to each side, and operations in memory."""

    sent: int
    own: int
    operations: int
    receives_first: bool
    urgent: bool = False  # what they send


LOADS = st.builds(Load, st.integers(1, 40), st.integers(1, 60), st.integers(0, 4), st.booleans())


@settings(max_examples=8, deadline=None)
@given(LOADS, st.sampled_from(["wse2", "wse3"]))
def test_turns_cost_no_more_than_threads_waited_for_each_other(load: Load, arch: str) -> None:
    machine = MACHINES[arch]
    sources = {"layout.csl": LAYOUT, "pe.csl": PE}
    program = elaborate(sources, "layout.csl", machine, asdict(load))
    shared = ReferenceEngine(program, machine, Choices(datapath="shared"))
    alone, vector = ReferenceEngine(program, machine), VectorEngine(program, machine)
    for engine in (shared, alone, vector):
        engine.start()
        for x in range(WIDTH):
            expected = 3 * (x > 0) + 5 * (x < WIDTH - 1)
            np.testing.assert_array_equal(engine.symbol(x, 0, "from_west"), expected)
    cycles = alone.statistics().cycles
    assert abs(vector.statistics().cycles - cycles) <= alone.traffic.contended  # ramps are shared
    assert alone.datapath_waits == 0
    assert cycles <= shared.statistics().cycles <= cycles + shared.datapath_waits
    assert shared.statistics().cycles >= 4 * load.sent  # of an inner PE, one each cycle


@dataclass(frozen=True)
class Ended:
    """When the asynchronous operations of an inner PE began and ended, on one datapath."""

    begins: tuple[int, ...]
    sends: tuple[int, ...]
    receives: tuple[int, ...]


class Operations(Observer):
    def __init__(self) -> None:
        self.seen: list[OperationEvent] = []

    def event(self, event: Event) -> None:
        if isinstance(event, OperationEvent) and event.x == 1:
            self.seen.append(event)


def ended(load: Load, arch: str) -> Ended:
    machine = MACHINES[arch]
    program = elaborate({"layout.csl": LAYOUT, "pe.csl": PE}, "layout.csl", machine, asdict(load))
    operations = Operations()
    ReferenceEngine(program, machine, Choices(datapath="shared"), operations).start()
    return Ended(
        tuple(event.begin for event in operations.seen),
        tuple(event.end for event in operations.seen if event.name == "@fmovs"),
        tuple(event.end for event in operations.seen if event.name == "@fmuls"),
    )


MANY = st.builds(Load, st.integers(80, 100), st.just(1), st.just(0), st.booleans())
ISSUED = 60  # cycles from the first operation's begin to the last one's
SLACK = 30  # cycles until all have words, and behind the last one's


@settings(max_examples=4, deadline=None)
@given(MANY, st.sampled_from(["wse2", "wse3"]))
def test_equal_threads_go_on_alike(load: Load, arch: str) -> None:
    found = ended(load, arch)
    ends = (*found.sends, *found.receives)
    assert max(ends) - min(ends) <= ISSUED + SLACK
    assert 4 * load.sent <= max(ends) - min(found.begins) <= 4 * load.sent + ISSUED + SLACK


@settings(max_examples=4, deadline=None)
@given(MANY, st.sampled_from(["wse2", "wse3"]))
def test_an_urgent_thread_that_nothing_else_holds_up_waits_for_no_other(
    load: Load, arch: str
) -> None:
    found = ended(replace(load, urgent=True), arch)
    # the outer PE takes words as they come, the inner one has to share its datapath
    assert min(found.sends) - min(found.begins) <= load.sent + ISSUED + SLACK
    assert min(found.receives) - min(found.begins) >= 3 * load.sent


def test_the_vector_engine_refuses_a_shared_datapath() -> None:
    params = asdict(Load(1, 1, 0, False))
    program = elaborate(
        {"layout.csl": LAYOUT, "pe.csl": PE}, "layout.csl", MACHINES["wse2"], params
    )
    with pytest.raises(RunError, match="datapath for itself"):
        VectorEngine(program, MACHINES["wse2"], Choices(datapath="shared"))
