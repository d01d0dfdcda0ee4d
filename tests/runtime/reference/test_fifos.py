"""FIFOs: a buffer between operations; what ends, what waits, who is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runtime.reference.csl_programs import out, run

from waferc_runtime.csl import core
from waferc_runtime.csl.core import Scalar
from waferc_runtime.reference.fifo import Ring
from waferc_runtime.reference.memory import Block
from waferc_runtime.run_error import RunError

LOOP = "@set_color_config(px, py, @get_color(4), .{ .routes = .{ .rx = RAMP, .tx = RAMP } });"
FIFO = """
var ring = @zeros([4]u32);
const fifo = @allocate_fifo(ring SETTINGS);
const fin = @get_dsd(fabin_dsd, .{ .extent = 10, .input_queue = iq, .fabric_color = c });
task popped() void { out[40] += 1; }
task pushed() void { out[41] += 1; }
task finished() void { sys_mod.unblock_cmd_stream(); }
comptime {
  @bind_local_task(popped, @get_local_task_id(9));
  @bind_local_task(pushed, @get_local_task_id(10));
  @bind_local_task(finished, @get_local_task_id(11));
}
"""


def fifo(settings: str = "") -> str:
    return FIFO.replace("SETTINGS", settings)


TO_COLOR_5 = """
const d = @get_color(5);
const iq5 = @get_input_queue(4);
const fin5 = @get_dsd(fabin_dsd, .{ .extent = 10, .input_queue = iq5, .fabric_color = d });
const fout5 = @get_dsd(fabout_dsd, .{ .extent = 10, .output_queue = @get_output_queue(5),
                                      .fabric_color = d });
comptime { @initialize_queue(iq5, .{ .color = d }); }
"""
LOOPS = LOOP + LOOP.replace("4", "5")


def test_a_fifo_decouples_two_operations() -> None:
    body = """
fn main() void {
  @mov32(fifo, fin, .{ .async = true });
  @mov32(fout5, fifo, .{ .async = true, .activate = finished });
  send(10, 5);
  @mov32(got, fin5);
}
"""
    told = ", .{ .activate_pop = popped, .activate_push = pushed }"
    body = body.replace("@mov32(got", "@mov32(@set_dsd_length(got, 10)")
    engine = run(fifo(told) + TO_COLOR_5 + body, configs=LOOPS)
    assert out(engine, 0, 0, 10) == list(range(5, 15))
    # words are taken as fast as they come, one per cycle: found empty, never full
    assert out(engine, 0, 0, 42)[40:] == [0, 1]


def test_a_full_fifo_holds_back_whoever_pushes() -> None:
    body = """
task start() void { @mov32(fout5, fifo, .{ .async = true, .activate = finished }); }
comptime { @bind_local_task(start, @get_local_task_id(12)); }
fn main() void {
  @mov32(fifo, fin, .{ .async = true });
  send(10, 5);
  out[50] = 0;
  @activate(@get_local_task_id(12));
  @activate(@get_local_task_id(13));
}
task last() void { @mov32(@set_dsd_length(got, 10), fin5); }
comptime { @bind_local_task(last, @get_local_task_id(13)); }
"""
    told = ", .{ .activate_pop = popped, .activate_push = pushed }"
    engine = run(fifo(told) + TO_COLOR_5 + body, configs=LOOPS)
    assert out(engine, 0, 0, 10) == list(range(5, 15))
    pops, _ = out(engine, 0, 0, 42)[40:]
    assert pops == 1


def test_a_synchronous_operation_ends_at_a_full_and_at_an_empty_fifo() -> None:
    body = """
fn main() void {
  for (@range(u16, 8)) |i| { words[i] = 10 + @as(u32, i); }
  if (@mov32(fifo, @set_dsd_length(sent, 3))) { out[20] = 1; }
  if (!@mov32(fifo, @set_dsd_length(sent, 3))) { out[21] = 1; }
  if (!@mov32(@set_dsd_length(got, 6), fifo)) { out[22] = 1; }
  if (@mov32(fifo, @set_dsd_length(sent, 1))) { out[23] = 1; }
  sys_mod.unblock_cmd_stream();
}
"""
    told = ", .{ .activate_pop = popped, .activate_push = pushed }"
    engine = run(fifo(told) + body)
    words = out(engine, 0, 0, 42)
    assert words[:6] == [10, 11, 12, 10, 0, 0]
    assert words[20:24] == [1, 1, 1, 1]
    assert words[40:] == [1, 1]


def test_the_length_of_a_fifo_counts_and_keeps_what_is_left() -> None:
    # the destination has 64 elements, the FIFO as the source says how many are meant
    body = """
fn main() void {
  for (@range(u16, 8)) |i| { words[i] = 10 + @as(u32, i); }
  @mov32(fifo, @set_dsd_length(sent, 3));
  @set_fifo_read_length(fifo, 2);
  if (@mov32(got, fifo)) { out[20] = 1; }
  if (!@mov32(@increment_dsd_offset(got, 2, u32), fifo)) { out[21] = 1; }
  @mov32(fifo, @set_dsd_length(sent, 3));
  if (@mov32(@increment_dsd_offset(got, 8, u32), fifo)) { out[22] = 1; }
  sys_mod.unblock_cmd_stream();
}
"""
    words = out(run(fifo() + body), 0, 0, 23)
    assert words[:4] == [10, 11, 12, 0]
    assert words[8:10] == [10, 0]
    assert words[20:] == [1, 1, 1]


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (
            "@mov32(fout5, fifo, .{ .async = true });",
            "for FIFO ring.fifo (0 of 10 done), which is empty",
        ),
        (
            "@mov32(fifo, fin, .{ .async = true }); send(10, 1);",
            "for room in FIFO ring.fifo (4 of 10 done), which is full",
        ),
    ],
)
def test_what_waits_for_a_fifo_is_told(body: str, line: str) -> None:
    text = f"fn main() void {{ {body} sys_mod.unblock_cmd_stream(); }}"
    with pytest.raises(RunError) as caught:
        run(fifo() + TO_COLOR_5 + text, configs=LOOPS)
    assert line in str(caught.value)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 2), st.integers(0, 2**32 - 1))))
def test_a_ring_is_a_queue_of_words(steps: list[tuple[bool, int, int]]) -> None:
    item = core.MemoryObject("ring", Scalar.U16, 5)
    ring = Ring(core.Fifo("ring", item), Block.of(item, 0))
    model: list[int] = []
    for now, (pushes, words, bits) in enumerate(steps):
        if pushes and ring.room_from(words) is not None:
            assert len(model) + words <= 5
            ring.push(bits, words, now)
            model += [bits >> 16 * place & 0xFFFF for place in range(words)]
        elif not pushes and ring.elements_from(words) is not None:
            taken = sum(model.pop(0) << 16 * place for place in range(words))
            assert ring.pop(words, now) == taken
        elif not pushes:
            assert len(model) < words
        else:
            assert len(model) + words > 5
