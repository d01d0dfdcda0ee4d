"""FIFOs: between asynchronous operations, full and empty, synchronous ends, tasks that are told.

Each program runs on both engines, which agree in memory and, within two cycles, in time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.runtime.csl.programs import build

from waferc_ir.machine import machine
from waferc_runtime.csl.core import Elaborated
from waferc_runtime.reference.engine import ReferenceEngine
from waferc_runtime.run_error import RunError
from waferc_runtime.vector.engine import VectorEngine

EXPORTS = '@export_name("out", [*]u16, true); @export_name("main", fn()void);'
TAIL = """
const out_ptr: [*]u16 = &out;
comptime { @export_symbol(out_ptr, "out"); @export_symbol(main); }
"""
THREE_PES = """
      const c: color = @get_color(3);
      const d: color = @get_color(4);
      const there = .{ .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST } } };
      const here = .{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP } } };
      if (px == 0) { @set_color_config(px, py, c, there); }
      if (px == 1) { @set_color_config(px, py, c, here); @set_color_config(px, py, d, there); }
      if (px == 2) { @set_color_config(px, py, d, here); }
"""
FABRIC = """
param px: u16;
const red: color = @get_color(3);
const blue: color = @get_color(4);
const iq = @get_input_queue(2);
const oq = @get_output_queue(3);
comptime {
  @initialize_queue(iq, .{ .color = if (px == 2) blue else red });
  @initialize_queue(oq, .{ .color = if (px == 1) blue else red });
}
"""


def engines(pe: str, **kw: Any) -> list[VectorEngine | ReferenceEngine]:
    program: Elaborated = build(pe + TAIL, exports=EXPORTS, **kw)
    return [VectorEngine(program, machine("wse3")), ReferenceEngine(program, machine("wse3"))]


def out(pe: str, count: int, width: int = 1, **kw: Any) -> NDArray[Any]:
    """`out` of all PEs [x, n] after `main`, the same on both engines."""
    found: list[NDArray[Any]] = []
    cycles: list[int] = []
    for engine in engines(pe, width=width, **kw):
        engine.launch("main")
        found.append(np.asarray(engine.read("out", 0, 0, width, 1, count))[0])
        cycles.append(engine.statistics().cycles)
    np.testing.assert_array_equal(found[0], found[1])
    assert abs(cycles[0] - cycles[1]) <= 2, cycles
    return found[0]


@pytest.mark.parametrize("capacity", [1, 3, 16, 64])
@pytest.mark.parametrize("extent", [1, 2, 7, 40])
def test_words_pass_through_a_fifo(capacity: int, extent: int) -> None:
    """From red into the FIFO, out of it to blue, where the receiver is slow at first."""
    pe = f"""{FABRIC}
const n = {extent};
const end = @get_local_task_id(9);
var a: [n]u16; var out: [n]u16; var buffer: [{capacity}]u16;
const fifo = @allocate_fifo(buffer);
const a_dsd = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{n}} -> a[i] }});
const out_dsd = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{n}} -> out[i] }});
const rx = @get_dsd(fabin_dsd, .{{ .extent = n, .input_queue = iq }});
const tx = @get_dsd(fabout_dsd, .{{ .extent = n, .output_queue = oq }});
task done() void {{ sys_mod.unblock_cmd_stream(); }}
fn main() void {{
  if (px == 0) {{
    for (@range(u16, n)) |i| {{ a[i] = 100 + i; }}
    @mov16(tx, a_dsd, .{{ .async = true, .activate = end }});
  }} else if (px == 1) {{
    @mov16(fifo, rx, .{{ .async = true }});
    @add16(tx, 1, fifo, .{{ .async = true, .activate = end }});
  }} else {{
    for (@range(u16, 20)) |i| {{ a[0] += i; }}
    @mov16(out_dsd, rx, .{{ .async = true, .activate = end }});
  }}
}}
comptime {{ @bind_local_task(done, end); }}
"""
    found = out(pe, extent, 3, configs=THREE_PES)
    np.testing.assert_array_equal(found[2], np.arange(extent) + 101)


def test_a_synchronous_push_ends_when_the_fifo_is_full() -> None:
    pe = """
var a = [5]u16{ 1, 2, 3, 4, 5 }; var b = @zeros([5]u16); var out = @zeros([8]u16);
var buffer: [3]u16;
const fifo = @allocate_fifo(buffer);
const a_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{5} -> a[i] });
const b_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{5} -> b[i] });
fn main() void {
  const full = @mov16(fifo, a_dsd);
  out[0] = if (full) 1 else 2;
  const some = @mov16(@set_dsd_length(b_dsd, 2), fifo);
  out[1] = if (some) 1 else 2;
  const empty = @mov16(@set_dsd_length(b_dsd, 4), fifo);
  out[2] = if (empty) 1 else 2;
  out[3] = b[0]; out[4] = b[1]; out[5] = b[2];
  sys_mod.unblock_cmd_stream();
}
"""
    assert out(pe, 8)[0].tolist() == [2, 1, 2, 3, 2, 0, 0, 0]


def test_tasks_are_told_of_room_and_of_words() -> None:
    pe = """
var a = [4]u16{ 1, 2, 3, 4 }; var b = @zeros([4]u16); var out = @zeros([4]u16);
var buffer: [4]u16;
const pushed = @get_local_task_id(9);
const popped = @get_local_task_id(10);
const go = @get_local_task_id(11);
const fifo = @allocate_fifo(buffer, .{ .activate_pop = popped, .activate_push = pushed });
const a_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{4} -> a[i] });
const b_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{4} -> b[i] });
task on_push() void { out[0] += 1; @activate(go); }
task on_pop() void { out[1] += 1; }
task rest() void {
  @mov16(fifo, @set_dsd_length(a_dsd, 1));
  @mov16(@set_dsd_length(b_dsd, 2), fifo);
  out[2] = b[1];
  sys_mod.unblock_cmd_stream();
}
fn main() void {
  @mov16(@set_dsd_length(b_dsd, 1), fifo);
  @mov16(fifo, a_dsd);
}
comptime {
  @bind_local_task(on_push, pushed); @bind_local_task(on_pop, popped); @bind_local_task(rest, go);
}
"""
    assert out(pe, 4)[0].tolist() == [1, 1, 2, 0]


def test_a_fifo_that_nobody_fills() -> None:
    pe = """
var out: [4]u16; var buffer: [4]u16;
const fifo = @allocate_fifo(buffer);
const out_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{4} -> out[i] });
const into = @get_dsr(dsr_dest, 1);
fn main() void {
  @load_to_dsr(into, out_dsd);
  @mov16(into, fifo, .{ .async = true, .ut_id = @get_ut_id(1) });
  sys_mod.unblock_cmd_stream();
}
"""
    texts: list[str] = []
    for engine in engines(pe):
        with pytest.raises(RunError, match="the wafer is at rest, but 1 PE still waits") as caught:
            engine.launch("main")
        assert "(0 of 4 done), which is empty" in str(caught.value)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_lengths_of_a_fifo() -> None:
    pe = """
var a = [4]u16{ 1, 2, 3, 4 }; var out = @zeros([4]u16); var buffer: [4]u16;
const fifo = @allocate_fifo(buffer);
const a_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{4} -> a[i] });
const out_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{4} -> out[i] });
fn main() void {
  @mov16(fifo, a_dsd);
  @set_fifo_read_length(fifo, 3);
  @mov16(out_dsd, fifo);
  sys_mod.unblock_cmd_stream();
}
"""
    assert out(pe, 4)[0].tolist() == [1, 2, 3, 0]
