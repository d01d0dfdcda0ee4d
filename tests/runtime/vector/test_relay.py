"""Messages that go through a chain at once leave behind what they leave going hop by hop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waferc_ir.machine import MACHINES
from waferc_runtime.csl.core import Elaborated
from waferc_runtime.csl.elaborate import elaborate
from waferc_runtime.vector import under_way
from waferc_runtime.vector.engine import VectorEngine
from waferc_runtime.vector.relay import relay

LAYOUT = """
param width: u16;
param height: u16;
param words: u16;
param rounds: u16;
const memcpy = @import_module("<memcpy/get_params>", .{ .width = width, .height = height });
const even: color = @get_color(3);
const odd: color = @get_color(4);
const gate: color = @get_color(6);
const starts = .{ .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST } } };
const ends = .{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP } } };
layout {
  // the gate goes along a row of its own, below the others
  @set_rectangle(width, height + 1);
  for (@range(u16, width)) |x| {
    const first = x == 0;
    const last = x + 1 == width;
    @set_color_config(x, height - 1, gate, .{ .routes = .{
      .rx = .{ if (first) RAMP else SOUTH }, .tx = .{ if (last) RAMP else SOUTH } } });
    @set_color_config(x, height, gate, .{ .routes = .{
      .rx = .{ if (first) NORTH else WEST }, .tx = .{ if (last) NORTH else EAST } } });
    for (@range(u16, height + 1)) |y| {
      const to = if (x % 2 == 0) even else odd;
      const from = if (x % 2 == 0) odd else even;
      @set_tile_code(x, y, "pe.csl", .{ .memcpy_params = memcpy.get_params(x), .px = x,
        .width = width, .words = words, .rounds = if (y == height) 0 else rounds,
        .to = to, .from = from, .gate = gate });
      if (y < height and x + 1 < width) {
        @set_color_config(x, y, to, starts);
      }
      if (y < height and x > 0) {
        @set_color_config(x, y, from, ends);
      }
    }
  }
  @export_name("own", [*]f32, true);
  @export_name("plan", [*]u16, true);
  @export_name("ended", [*]u16, true);
  @export_name("main", fn()void);
}
"""

PE = """
param memcpy_params: comptime_struct;
param px: u16;
param width: u16;
param words: u16;
param rounds: u16;
param to: color;
param from: color;
param gate: color;
const sys_mod = @import_module("<memcpy/memcpy>", memcpy_params);
const time = @import_module("<time>");
const iq: input_queue = @get_input_queue(2);
const oq: output_queue = @get_output_queue(2);
const gate_iq: input_queue = @get_input_queue(4);
const gate_oq: output_queue = @get_output_queue(4);
var own = @zeros([words]f32);
// how long to idle, whether to add, words of the first operation and of the second, and the round
// behind which the first PE lets the last one begin (0: that begins at once)
var plan = @zeros([5]u16);
var opened = @zeros([1]f32);
var now = @zeros([3]u16);
var ended = @zeros([8]u16); // when each round ended
var scratch: f32 = 0.0;
const own_ptr: [*]f32 = &own;
const plan_ptr: [*]u16 = &plan;
const ended_ptr: [*]u16 = &ended;
const mine = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{words} -> own[i] });
const out = @get_dsd(fabout_dsd, .{ .fabric_color = to, .extent = words, .output_queue = oq });
const in = @get_dsd(fabin_dsd, .{ .fabric_color = from, .extent = words, .input_queue = iq });
const opened_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{1} -> opened[i] });
const gate_out = @get_dsd(fabout_dsd, .{ .fabric_color = gate, .extent = 1,
  .output_queue = gate_oq });
const gate_in = @get_dsd(fabin_dsd, .{ .fabric_color = gate, .extent = 1, .input_queue = gate_iq });
fn pass_on(first: u16, count: u16) void {
  const mine_now = @set_dsd_length(@increment_dsd_offset(mine, @as(i16, first), f32), count);
  const out_now = @set_dsd_length(out, count);
  const in_now = @set_dsd_length(in, count);
  if (px == 0) {
    @fmovs(out_now, mine_now);
  } else if (px + 1 == width) {
    @fadds(mine_now, in_now, mine_now);
  } else if (plan[1] == 0) {
    @fmovs(out_now, in_now);
  } else {
    @fadds(out_now, in_now, mine_now);
  }
}
fn main() void {
  time.enable_tsc();
  if (px > 0 and px + 1 == width and plan[4] > 0) { @fmovs(opened_dsd, gate_in); }
  for (@range(u16, rounds)) |round| {
    for (@range(u16, plan[0])) |i| { scratch += 1.0; }
    if (plan[2] > 0) { pass_on(0, plan[2]); }
    if (plan[3] > 0) { pass_on(plan[2], plan[3]); }
    const done = plan[2] + plan[3];
    if (words > done) { pass_on(done, words - done); }
    time.get_timestamp(&now);
    ended[round] = now[0];
    if (px == 0 and round + 1 == plan[4]) { @fmovs(gate_out, opened_dsd); }
  }
  sys_mod.unblock_cmd_stream();
}
comptime {
  if (@is_arch("wse3")) {
    @initialize_queue(iq, .{ .color = from });
    @initialize_queue(oq, .{ .color = to });
    @initialize_queue(gate_iq, .{ .color = gate });
    @initialize_queue(gate_oq, .{ .color = gate });
  }
  @export_symbol(own_ptr, "own");
  @export_symbol(plan_ptr, "plan");
  @export_symbol(ended_ptr, "ended");
  @export_symbol(main);
}
"""


def built(width: int, height: int, words: int, rounds: int) -> Elaborated:
    params = {"width": width, "height": height, "words": words, "rounds": rounds}
    return elaborate({"l.csl": LAYOUT, "pe.csl": PE}, "l.csl", MACHINES["wse3"], params)


def left_behind(program: Elaborated, words: int, plan: np.ndarray[Any, Any]) -> list[Any]:
    """Memory, the ends of rounds, clocks and traffic after a run."""
    height, width, given = plan.shape
    plan = np.pad(plan, ((0, 0), (0, 0), (0, 5 - given)))
    engine = VectorEngine(program, MACHINES["wse3"])
    own = np.random.default_rng(words).normal(size=(height, width, words)).astype(np.float32)
    engine.write("own", 0, 0, own)
    engine.write("plan", 0, 0, plan.astype(np.uint16))
    engine.launch("main")
    engine.launch("main")  # finds the ledgers that the first one left
    told = engine.statistics()
    arrays = [told.busy_cycles, told.wait_cycles, told.link_load]
    read = [engine.read(name, 0, 0, width, height, n) for name, n in (("own", words), ("ended", 8))]
    return [*read, told.cycles, told.flops, *arrays]


def stands_still(*given: Any) -> list[Any]:
    """A relay that finds no chains."""
    return []


@settings(max_examples=12)
@given(data=st.data())
def test_at_once_and_hop_by_hop_are_the_same(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(2, 7)), data.draw(st.integers(1, 3))
    words, rounds = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 3))
    idle, cut = st.sampled_from([0, 0, 1, 2, 9, 40]), st.sampled_from([0, 0, 0, 1, words - 1])
    pe = st.tuples(idle, st.booleans(), cut)
    row = st.lists(pe, min_size=width, max_size=width)
    plan = np.array(data.draw(st.lists(row, min_size=height, max_size=height)))
    assert_alike(built(width, height, words, rounds), words, plan)


def assert_alike(program: Elaborated, words: int, plan: np.ndarray[Any, Any]) -> None:
    at_once = left_behind(program, words, plan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(under_way, "relay", stands_still)
        hop_by_hop = left_behind(program, words, plan)
    for one, other in zip(at_once, hop_by_hop, strict=True):
        assert np.array_equal(one, other)


# by PE: rounds of idling, whether to add, words of the first and second operation, the gate;
# 16 words have room between two PEs
CHAINS = {
    "no room, as the last PE begins late": [[0, 0, 0, 0, 3]] * 8,
    "room when the last PE has idled": [[0, 0, 0, 0, 1]] * 7 + [[30, 0, 0, 0, 1]],
    "room when the last but one has idled": [
        *[[0, 0, 0, 0, 0]] * 6,
        [30, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ],
    "words that wait already": [[0, 0, 10, 10, 0]] * 5 + [[0, 0, 4, 10, 0]] * 3,
}


@pytest.mark.parametrize("kind", CHAINS)
def test_a_chain_ends_where_a_message_has_to_wait(kind: str) -> None:
    words, rounds = (20, 1) if kind == "words that wait already" else (10, 3)
    assert_alike(built(8, 1, words, rounds), words, np.array([CHAINS[kind]]))


def test_a_message_goes_through_the_whole_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    hops: list[int] = []

    def counted(*given: Any) -> list[Any]:
        went_on = relay(*given)
        hops.append(sum(int((t.done == t.total).sum()) for t in went_on))
        return went_on

    monkeypatch.setattr(under_way, "relay", counted)
    left_behind(built(9, 2, 4, 1), 4, np.ones((2, 9, 3)))
    assert max(hops) == 2 * 7  # all but the first and the last of each row
