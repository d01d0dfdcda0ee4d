"""One datapath per PE: whose turn it is, and what turns cost."""

from __future__ import annotations

import pytest

from waferc_ir.machine import WSE2
from waferc_runtime.choices import Choices
from waferc_runtime.csl.elaborate import elaborate
from waferc_runtime.reference.engine import ReferenceEngine

LAYOUT = """
param words: u16;
param own: u16;
param priority: u16;
param colors: u16;
const first: color = @get_color(1);
const second: color = @get_color(2);
layout {
  @set_rectangle(2, 1);
  for (@range(u16, 2)) |x| {
    @set_tile_code(x, 0, "pe.csl", .{
      .px = x, .words = words, .own = own, .priority = priority, .colors = colors,
      .first = first, .second = second });
  }
  @set_color_config(0, 0, first, .{ .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST } } });
  @set_color_config(1, 0, first, .{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP } } });
  @set_color_config(1, 0, second, .{ .routes = .{ .rx = .{ RAMP }, .tx = .{ WEST } } });
  @set_color_config(0, 0, second, .{ .routes = .{ .rx = .{ EAST }, .tx = .{ RAMP } } });
}
"""

# PE 0 sends on one microthread, receives on another, and works in memory, two elements in a cycle;
# each notes when it ends
PE = """
param px: u16;
param words: u16;
param own: u16;
param priority: u16;
param colors: u16;
param first: color;
param second: color;
const time = @import_module("<time>");
const sent_id: local_task_id = @get_local_task_id(10);
const received_id: local_task_id = @get_local_task_id(11);
const begin_id: local_task_id = @get_local_task_id(12);
var data = @constants([words]f32, 1.0);
var arrived = @zeros([words]f32);
var scratch = @zeros([own]f32);
var begun = @zeros([3]u16);
var worked = @zeros([3]u16);
var sent = @zeros([3]u16);
var received = @zeros([3]u16);
const data_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{words} -> data[i] });
const arrived_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{words} -> arrived[i] });
const scratch_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{own} -> scratch[i] });
const out = @get_dsd(fabout_dsd, .{
  .fabric_color = if (px == 0) first else second, .extent = words,
  .output_queue = @get_output_queue(2),
});
const in = @get_dsd(fabin_dsd, .{
  .fabric_color = if (px == 0) second else first, .extent = words,
  .input_queue = @get_input_queue(3),
});
task begin() void {
  time.enable_tsc();
  time.get_timestamp(&begun);
  if (px == 0) {
    if (priority == 2) {
      @fmovs(out, data_dsd, .{ .async = true, .activate = sent_id, .priority = .{ .high = true } });
    } else if (priority == 0) {
      @fmovs(out, data_dsd, .{ .async = true, .activate = sent_id, .priority = .{ .low = true } });
    } else {
      @fmovs(out, data_dsd, .{ .async = true, .activate = sent_id });
    }
    if (colors == 2) { @fmovs(arrived_dsd, in, .{ .async = true, .activate = received_id }); }
    @fmovs(scratch_dsd, 1.0);
    time.get_timestamp(&worked);
  } else {
    if (colors == 2) { @fmovs(out, data_dsd, .{ .async = true, .activate = sent_id }); }
    @fmovs(arrived_dsd, in);
  }
}
task sent_all() void { time.get_timestamp(&sent); }
task received_all() void { time.get_timestamp(&received); }
comptime {
  @bind_local_task(begin, begin_id);
  @bind_local_task(sent_all, sent_id);
  @bind_local_task(received_all, received_id);
  @activate(begin_id);
}
"""


def run(words: int, own: int, priority: int = 1, colors: int = 1) -> tuple[dict[str, int], int]:
    """Cycles from the beginning to what PE 0 noted, and cycles that its threads waited."""
    params = {"words": words, "own": own, "priority": priority, "colors": colors}
    sources = {"layout.csl": LAYOUT, "pe.csl": PE}
    program = elaborate(sources, "layout.csl", WSE2, params)
    engine = ReferenceEngine(program, WSE2, Choices(datapath="shared"))
    engine.start()
    noted = {
        name: int(engine.symbol(0, 0, name)[0]) - int(engine.symbol(0, 0, "begun")[0])
        for name in ("worked", "sent", "received")
    }
    return noted, engine.datapath_waits


def test_the_main_thread_and_a_microthread_take_turns() -> None:
    alone, _ = run(words=1, own=600)
    beside, waits = run(words=200, own=600)
    late = beside["worked"] - alone["worked"]
    assert 180 <= late <= 200  # all words but those that went while the operation was set up
    assert waits >= late


@pytest.mark.parametrize(("priority", "slots"), [(0, 0), (1, 200), (2, 400)])
def test_who_is_more_urgent_goes_first(priority: int, slots: int) -> None:
    alone, _ = run(words=1, own=400)
    beside, _ = run(words=400, own=400, priority=priority)
    late = beside["worked"] - alone["worked"]
    assert slots - 20 <= late <= slots + 1


def test_three_threads_share_all_cycles() -> None:
    lone, _ = run(words=1, own=400, colors=2)
    three, _ = run(words=200, own=400, colors=2)
    assert max(three.values()) >= 600
    assert three["worked"] - lone["worked"] >= 350  # each of the others had as many slots


def test_a_thread_that_waits_for_words_holds_nobody_up() -> None:
    few, _ = run(words=2, own=600)
    waiting, waits = run(words=2, own=600, colors=2)
    assert abs(waiting["worked"] - few["worked"]) <= 20
    assert waits <= 8
