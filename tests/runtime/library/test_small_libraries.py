from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import numpy as np
import pytest
from tests.runtime.csl.programs import build
from tests.runtime.library.engines import ENGINES
from tests.runtime.library.programs import compute

from waferc_ir.machine import machine
from waferc_runtime.csl.core import EAST, NORTH, RAMP, SOUTH, WEST
from waferc_runtime.csl.diagnostics import CslError
from waferc_runtime.csl.elaborate import elaborate
from waferc_runtime.csl.parse import parse
from waferc_runtime.csl.search import NATIVE_LIBRARIES, library_names, library_text
from waferc_runtime.observer import Event, Observer, PrintEvent


def imported(name: str, params: str = "") -> str:
    """Top-level code that imports a library as `m`."""
    return f'const m = @import_module("<{name}>"{params});'


COMPLEX = imported("complex") + "var x: f32 = 1.0; var h: f16 = 1.0;"
STRING = imported("string")
CASES: list[tuple[str, str, str, list[Any]]] = [
    (
        "const z = m.get_complex(x, 2.0); const w = m.multiply_complex(z, z);"
        "out[0] = w.real; out[1] = w.imag;",
        COMPLEX,
        "f32",
        [-3.0, 4.0],
    ),
    (
        "const z = m.add_complex_32(m.get_complex_32(h, 2.0), m.get_complex_32(0.5, h));"
        "const w = m.subtract_complex(z, z); out[0] = z.real; out[1] = z.imag; out[2] = w.imag;",
        COMPLEX,
        "f16",
        [1.5, 3.0, 0.0],
    ),
    (
        "const z = comptime m.multiply_complex_64(m.get_complex_64(1.0, 2.0),"
        " m.get_complex_64(3.0, 4.0)); out[0] = z.real; out[1] = z.imag;",
        COMPLEX,
        "f32",
        [-5.0, 10.0],
    ),
    (
        "out[0] = m.lo16(x); out[1] = m.hi16(x); out[2] = m.hi16(@as(u32, 0x50006));"
        "out[3] = m.lo16(@as(i16, -1)); out[4] = @as(u16, m.hi32(@as(u64, 0x700000000)));",
        imported("data_utils") + "var x: f32 = 1.0;",
        "u16",
        [0, 0x3F80, 5, 0xFFFF, 7],
    ),
    (
        "var a = m.malloc_u16(3); var b = m.malloc(f32, 2); a[2] = 7; b[1] = 1.5; out[0] = a[2];"
        "out[1] = @as(u16, b[1] * 2.0); out[2] = @as(u16, m.has_enough_words(12));"
        "out[3] = @as(u16, m.has_enough_words(13)); m.free();"
        "out[4] = @as(u16, m.has_enough_double_words(10));",
        imported("malloc", ", .{ .buffer_num_words = 20, .asserts_enabled = true }"),
        "u16",
        [7, 3, 1, 0, 1],
    ),
    (
        'const a = comptime m.fmt("{{{d}", .{ -62 }); const bytes = @get_array(a);'
        "for (@range(i16, @strlen(a))) |i| { out[i] = bytes[i]; }",
        STRING,
        "u8",
        list(b"{-62"),
    ),
    (
        "out[0] = @as(u16, m.is_signed(i8)); out[1] = @as(u16, m.is_numeric(bool));"
        "out[2] = @as(u16, m.is_dsd(fabin_dsd)); out[3] = m.word_size_of(f32);"
        "out[4] = @bitcast(m.bits_type_of(f16), @as(f16, 1.0));",
        imported("types"),
        "u16",
        [1, 0, 1, 2, 0x3C00],
    ),
    (
        "_ = m.mov(f32, a, b, .{}); _ = m.add(f32, f32, a, a, b, .{});"
        "_ = m.fmac(f32, f32, a, a, b, @as(f32, 10.0), .{});"
        "out[2] = @as(f32, m.neg(f32, b, b, .{}));",
        imported("dsd_ops") + "var p = [2]f32{ 1.0, 2.0 };"
        "const a = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{2} -> out[i] });"
        "const b = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{2} -> p[i] });",
        "f32",
        [12.0, 24.0, 1.0],
    ),
]


@pytest.mark.parametrize(("body", "top", "dtype", "wanted"), CASES)
def test_small_libraries(body: str, top: str, dtype: str, wanted: list[Any]) -> None:
    for result in compute(body, dtype, len(wanted), top=top):
        assert result == wanted


def test_timers_measure_what_lies_between() -> None:
    body = """
      m.start(1);
      for (@range(i16, 40)) |i| { out[3] += @as(u16, i); }
      m.stop(1);
      m.elapsed(1, &span);
      out[0] = span[0]; out[1] = span[1]; out[2] = span[2];
    """
    top = imported("timer", ", .{ .timerCount = 2 }") + "var span: m.timerType;"
    for low, middle, high, total in compute(body, "u16", 4, top=top):
        assert (middle, high, total) == (0, 0, 780)
        assert 40 < low < 4000


def test_directions_turn() -> None:
    names = {"EAST": EAST, "SOUTH": SOUTH, "WEST": WEST, "NORTH": NORTH}
    clockwise = [*names, "EAST"]
    checks = [
        *(f"m.rotate_clockwise({a}) == {b}" for a, b in pairwise(clockwise)),
        *(f"m.rotate_counterclockwise({b}) == {a}" for a, b in pairwise(clockwise)),
        "m.flip(NORTH) == SOUTH and m.flip(WEST) == EAST and m.flip(RAMP) == RAMP",
        "m.flip_vertical(EAST) == EAST and m.flip_horizontal(EAST) == WEST",
        "m.dirToRxBits(NORTH) == m.RX_NORTH and m.dirToTxBits(EAST) == m.TX_EAST",
        "m.RX_WEST | m.TX_RAMP | m.TX_EAST == 0x241",
    ]
    body = "".join(f"out[{n}] = @as(u16, {check});" for n, check in enumerate(checks))
    for result in compute(body, "u16", len(checks), top=imported("directions")):
        assert result == [1] * len(checks)
    assert RAMP


class Lines(Observer):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def event(self, event: Event) -> None:
        if isinstance(event, PrintEvent):
            self.lines.append(event.text)


def test_simprint_writes_lines() -> None:
    pe = """
const m = @import_module("<simprint>");
const silent = @import_module("<simprint>", .{ .enable = false });
var x: u16 = 42;
var f: f16 = 42.0;
fn main() void {
  m.print_string("x = ");
  silent.print_string("nothing");
  m.print_u16_decimal(x);
  m.print_string(", and\\nagain ");
  m.fmt("{d} {X} {b} {f} {{d}", .{ x, x, @as(u16, 42), f });
  m.fmt_with_coords("here", .{});
  m.print_u32_hex(7);
  sys_mod.unblock_cmd_stream();
}
comptime { @export_symbol(main); }
"""
    program = build(pe, exports='@export_name("main", fn()void);')
    for engine_of in ENGINES:
        lines = Lines()
        cast(Any, engine_of)(program, machine("wse3"), observer=lines).launch("main")
        wanted = ["x = 42, and", "again 42 002A 0000000000101010 42.0 {d}", "PE(0,0): here"]
        assert lines.lines == wanted


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
def test_streams_of_memcpy_come_and_go(arch: str) -> None:
    layout = """
const memcpy = @import_module("<memcpy/get_params>", .{
  .width = 1, .height = 1, .MEMCPYH2D_1 = IN, .MEMCPYD2H_1 = OUT,
});
layout {
  @set_rectangle(1, 1);
  @set_tile_code(0, 0, "pe.csl", .{ .memcpy_params = memcpy.get_params(0) });
}
"""
    pe = """
param memcpy_params;
const sys_mod = @import_module("<memcpy/memcpy>", memcpy_params);
const c_in = @get_color(@bitcast(u16, sys_mod.MEMCPYH2D_1));
const c_out = @get_color(@bitcast(u16, sys_mod.MEMCPYD2H_1));
const q_in = @get_input_queue(2);
const q_out = @get_output_queue(3);
const out = sys_mod.get_streaming_fabout_dsd(c_out, 1, q_out);
const id = if (@is_arch("wse3")) @get_data_task_id(q_in) else @get_data_task_id(c_in);
task twice(x: u32) void { @mov32(out, 2 * x); }
comptime {
  @bind_data_task(twice, id);
  if (@is_arch("wse3")) {
    @initialize_queue(q_in, .{ .color = c_in });
    @initialize_queue(q_out, .{ .color = c_out });
  }
}
"""

    layout = layout.replace("IN", "@as(i16, 3)").replace("OUT", "4")
    program = elaborate({"layout.csl": layout, "pe.csl": pe}, "layout.csl", machine(arch), {})
    assert (program.host_inputs, program.host_outputs) == ({3}, {4})
    for engine_of in ENGINES:
        engine = engine_of(program, machine(arch))
        engine.start()
        engine.send(3, 0, 0, np.arange(5, dtype=np.uint32).reshape(1, 1, 5))
        assert engine.receive(4, 0, 0, 1, 1, 5).ravel().tolist() == [0, 2, 4, 6, 8]


def test_every_library_is_csl_and_is_found_by_its_name() -> None:
    native = set(NATIVE_LIBRARIES)
    files = [name for name in library_names() if name not in native]
    assert {"<collectives_2d/pe>", "<memcpy/memcpy>", "<kernels/fft/fft3d_layout>"} <= set(files)
    for name in files:
        text = library_text(name)
        assert text is not None
        parse(text, name)
    assert library_text("<../library/time>") is None


def test_import_paths_are_searched_behind_our_libraries() -> None:
    pe = """
const a = @import_module("<mine/pe>");
const b = @import_module("<time>");
comptime { @comptime_assert(a.number == 7); @comptime_assert(b.tsc_size_words == 3); }
"""
    layout = 'layout { @set_rectangle(1, 1); @set_tile_code(0, 0, "<start>"); }'
    sources = {
        "src/layout.csl": layout,
        "libs/start.csl": pe,
        "libs/mine/pe.csl": 'const other = @import_module("other.csl"); const number = other.n;',
        "libs/mine/other.csl": "const n = 7;",
        "libs/time.csl": "",
    }
    program = elaborate(sources, "src/layout.csl", machine("wse3"), {}, ["nowhere", "libs"])
    assert program.classes[0].file == "libs/start.csl"
    with pytest.raises(CslError, match="there is no library <start>"):
        elaborate(sources, "src/layout.csl", machine("wse3"), {}, ["nowhere"])
