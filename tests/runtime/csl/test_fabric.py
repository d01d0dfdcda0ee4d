"""What the front end makes of registers, FIFOs, control wavelets and color configurations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.runtime.csl.programs import build

from waferc_ir.machine import machine
from waferc_runtime.csl import core
from waferc_runtime.csl.core import EAST, NORTH, RAMP, SOUTH, WEST
from waferc_runtime.csl.elaborate import elaborate

MAIN = "comptime { @export_symbol(main); }"
EXPORT = '@export_name("main", fn()void);'
HEAD = """
var buf: [8]u32;
const mem = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{8} -> buf[i] });
const iq = @get_input_queue(2);
const oq = @get_output_queue(3);
const fabin = @get_dsd(fabin_dsd, .{ .extent = 8, .input_queue = iq });
const fabout = @get_dsd(fabout_dsd, .{ .extent = 8, .output_queue = oq });
const tid = @get_local_task_id(9);
task done() void { }
comptime {
  @bind_local_task(done, tid);
  @initialize_queue(iq, .{ .color = @get_color(1) });
  @initialize_queue(oq, .{ .color = @get_color(2) });
}
"""


def one(pe: str, **kw: Any) -> core.PEClass:
    """The only class of a program on one PE that exports main."""
    (pe_class,) = build(HEAD + pe + MAIN, exports=EXPORT, **kw).classes
    return pe_class


def statements(body: str, top: str = "", **kw: Any) -> list[core.Stmt]:
    pe_class = one(f"{top} fn main() void {{ {body} }}", **kw)
    target = pe_class.exports["main"].target
    assert isinstance(target, core.Function)
    return target.body


def test_a_register_is_loaded_at_run_time_and_before_the_start() -> None:
    top = """
const dest = @get_dsr(dsr_dest, 1);
const src = @get_dsr(dsr_src1, 2);
comptime { @load_to_dsr(src, mem, .{ .save_address = true }); }
"""
    body = """
@load_to_dsr(dest, fabout, .{ .async = true, .activate = done, .ut_id = @get_ut_id(4) });
@mov32(dest, src);
"""
    pe_class = one(f"{top} fn main() void {{ {body} }}")
    (early,) = pe_class.dsrs
    assert (early.save_address, early.dsr.type) == (True, core.Dsr("src1"))
    main = pe_class.exports["main"].target
    assert isinstance(main, core.Function)
    load, move = main.body
    assert isinstance(load, core.LoadDsr)
    assert load.config == core.DsdConfig(is_async=True, activate=9, microthread=4)
    assert isinstance(move, core.DsdOperation)
    assert [x.type for x in (move.dest, *move.sources)] == [core.Dsr("dest"), core.Dsr("src1")]


def test_a_register_is_a_parameter() -> None:
    top = """
fn add(d: dsr_dest, a: dsr_src0, b: dsr_src1, k: i16) void { if (k > 0) @fadds(d, a, b); }
"""
    body = "add(@get_dsr(dsr_dest, 1), @get_dsr(dsr_src0, 1), @get_dsr(dsr_src1, 1), 1);"
    (call,) = statements(body, top)
    assert isinstance(call, core.Evaluate)
    assert isinstance(call.value, core.Call)
    files = [p.type for p in call.value.function.parameters[:3]]
    assert files == [core.Dsr("dest"), core.Dsr("src0"), core.Dsr("src1")]


def test_an_extended_register_is_loaded_like_another() -> None:
    top = "const four = @get_dsd(mem4d_dsd, .{ .tensor_access = |i, j|{2, 4} -> buf[4 * i + j] });"
    body = "@load_to_dsr_xdsr_sr(@get_dsr(dsr_src1, 3), @get_xdsr(0), @get_sr(0), four);"
    (load,) = statements(body, top)
    assert isinstance(load, core.LoadDsr)
    assert load.dsd.type == core.Dsd("mem4d")


def test_a_fifo_has_its_buffer_and_tasks() -> None:
    top = "const fifo = @allocate_fifo(buf, .{ .activate_pop = tid, .activate_push = done });"
    body = """
@mov32(fifo, fabin, .{ .async = true });
if (@mov32(mem, fifo)) { @set_fifo_read_length(fifo, 3); }
"""
    pe_class = one(f"{top} fn main() void {{ {body} }}")
    (fifo,) = pe_class.fifos
    assert (fifo.buffer.name, fifo.activate_pop, fifo.activate_push) == ("buf", 9, 9)
    main = pe_class.exports["main"].target
    assert isinstance(main, core.Function)
    push, pop, test = main.body
    assert isinstance(push, core.DsdOperation)
    assert isinstance(pop, core.DsdOperation)
    assert isinstance(test, core.If)
    assert push.result is None
    assert isinstance(test.condition, core.GetLocal)
    assert test.condition.local is pop.result
    assert isinstance(test.then[0], core.SetFifoLength)
    assert test.then[0].fifo is fifo


def test_settings_of_an_operation() -> None:
    body = """
@mov32(mem, fabin, .{ .async = true, .on_control = .{ .activate = tid }, .index = 5,
  .priority = .{ .high = true } });
@mov32(mem, fabin, .{ .on_control = .{ .terminate = true } });
"""
    first, second = statements(body)
    assert isinstance(first, core.DsdOperation)
    assert isinstance(second, core.DsdOperation)
    assert first.config.on_control == core.OnControl(activate=9)
    assert second.config.on_control == core.OnControl()
    assert first.config.priority == "high"
    assert isinstance(first.config.index, core.Const)
    assert first.config.index.value == 5


def test_flags_of_descriptors() -> None:
    body = """
const m = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{8} -> buf[i], .wavelet_index_offset = true });
const c = @get_dsd(fabout_dsd, .{ .extent = 1, .output_queue = oq, .control = true,
  .advance_switch = true, .wavelet_index_offset = true, .control_transform = true });
@mov32(@set_dsd_length(c, 2), m);
"""
    (move,) = statements(body)
    assert isinstance(move, core.DsdOperation)
    dest, (source,) = move.dest, move.sources
    assert isinstance(dest, core.MakeFabDsd)
    assert isinstance(source, core.MakeMemDsd)
    assert source.takes_index
    assert (dest.control, dest.advance_switch) == (True, True)
    assert (dest.takes_index, dest.control_transform) == (True, True)


def test_events_have_handlers() -> None:
    top = """
const control = @get_control_task_id(40);
task on_control(data: u16) void { }
fn torn() void { @set_config(0x7f20 + 3, @get_config(0x7f20 + 4)); }
fn empty() void { }
comptime {
  @bind_control_task(on_control, control);
  @set_teardown_handler(torn, @get_color(3));
  @set_empty_queue_handler(empty, oq);
  @set_config(0x7f21, 5);
}
"""
    body = "@queue_flush(oq); @block(@get_ut_id(4)); @unblock(@get_ut_id(4));"
    pe_class = one(f"{top} fn main() void {{ {body} }}")
    assert [(t.kind, t.id) for t in pe_class.tasks] == [("local", 9), ("control", 40)]
    assert list(pe_class.teardown_handlers) == [3]
    assert list(pe_class.empty_queue_handlers) == [3]
    (write,) = pe_class.teardown_handlers[3].body
    assert isinstance(write, core.SetConfig)
    assert isinstance(write.value, core.GetConfig)
    (early,) = pe_class.configs
    assert isinstance(early.address, core.Const)
    assert early.address.value == 0x7F21


CONFIGS = """
@set_color_config(px, py, @get_color(4), .{
  .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST } },
  .switches = .{ .pos1 = .{ .tx = .{ WEST, RAMP } }, .pos3 = .{ .rx = NORTH }, .ring_mode = true,
    .current_switch_pos = 1, .pop_mode = .{ .always_pop = true } },
  .filter = .{ .kind = .{ .counter = true }, .count_data = true, .init_counter = px,
    .limit1 = 5, .max_counter = 2 },
  .teardown = px == 2,
});
@set_color_config(px, py, @get_color(5), .{ .routes = 0x0e1 });
@set_color_config(px, py, @get_color(6), .{ .routes = .{ .rx = if (px == 1) EAST else WEST } });
"""


@pytest.mark.parametrize("width", [3, 6])
def test_a_color_has_switches_filters_and_teardown(width: int) -> None:
    pe = "param px: u16; param py: u16; fn main() void { }"
    program = build(HEAD + pe + MAIN, width=width, exports=EXPORT, configs=CONFIGS)
    assert len(program.classes) == 1
    routes = program.routes[4]
    switches, filters, teardown = routes.switches, routes.filters, routes.teardown
    assert switches is not None
    assert filters is not None
    assert teardown is not None
    assert routes.swap is None
    assert (routes.rx == RAMP).all()
    assert switches.tx[:, 0, 1].tolist() == [WEST | RAMP, 0, 0]
    assert switches.rx[:, 0, 1].tolist() == [0, 0, NORTH]
    assert switches.valid[0, 1] == 0b1010
    assert (switches.position[0, 1], switches.ring[0, 1]) == (1, True)
    assert switches.pop[0, 1] == core.PopMode.ALWAYS_POP
    assert filters.kind[0, 1] == core.FilterKind.COUNTER
    assert filters.init_counter[0].tolist() == list(range(width))
    assert (filters.limit1[0, 0], filters.limit2[0, 0], filters.max_counter[0, 0]) == (5, -1, 2)
    assert np.flatnonzero(teardown[0]).tolist() == [2]
    assert program.routes[5].rx[0, 0] == WEST
    assert program.routes[5].tx[0, 0] == EAST | WEST | SOUTH
    assert program.routes[6].rx[0, :3].tolist() == [WEST, EAST, WEST]


def test_colors_swap_on_wse2() -> None:
    configs = """
@set_color_config(px, py, @get_color(4), .{
  .routes = .{ .rx = EAST, .tx = RAMP, .color_swap_x = true } });
"""
    pe = "param px: u16; param py: u16; fn main() void { }" + MAIN
    program = build(pe, width=2, arch="wse2", exports=EXPORT, configs=configs)
    swap = program.routes[4].swap
    assert swap is not None
    assert (swap == core.SWAP_X).all()


def test_local_configurations_differ_between_pes_of_a_class() -> None:
    pe = """
param px: u16; param py: u16;
comptime {
  @set_local_color_config(@get_color(7), .{ .routes = .{ .rx = RAMP, .tx = EAST },
    .filter = .{ .kind = .{ .range = true }, .min_idx = 3 * px, .max_idx = 3 * px + 2 } });
}
fn main() void { }
"""
    program = build(HEAD + pe + MAIN, width=4, exports=EXPORT)
    assert len(program.classes) == 1
    filters = program.routes[7].filters
    assert filters is not None
    assert filters.min_idx[0].tolist() == [0, 3, 6, 9]
    assert filters.max_idx[0].tolist() == [2, 5, 8, 11]


def test_on_wse2_two_colors_share_an_input_queue() -> None:
    pe = """
const q = @get_input_queue(2);
const a = @get_dsd(fabin_dsd, .{ .extent = 1, .fabric_color = @get_color(1), .input_queue = q });
const b = @get_dsd(fabin_dsd, .{ .extent = 1, .fabric_color = @get_color(2), .input_queue = q });
var x: [1]u32;
const m = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{1} -> x[i] });
fn main() void { @mov32(m, a); @mov32(m, b); }
"""
    (pe_class,) = build(pe + MAIN, arch="wse2", exports=EXPORT).classes
    assert pe_class.input_queues == {2: 1}


def test_symbols_and_colors_have_the_names_of_the_program() -> None:
    layout = """
param data: color;
param rest: color = @get_color(7);
layout { @set_rectangle(1, 1); @set_tile_code(0, 0, "pe.csl"); @export_name("main", fn()void); }
"""
    pe = """
const left = @import_module("other.csl");
const right = @import_module("other.csl");
var own: i16;
fn main() void { own = 1; left.count += 1; right.count += 1; }
"""
    sources = {"l.csl": layout, "pe.csl": pe + MAIN, "other.csl": "var count: i16;"}
    program = elaborate(sources, "l.csl", machine("wse3"), {"data": 5})
    assert program.color_names == {"data": 5, "rest": 7}
    assert set(program.classes[0].symbols) == {"own", "left.count", "right.count"}
