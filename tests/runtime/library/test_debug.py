from __future__ import annotations

import math

import pytest
from tests.runtime.csl.programs import build
from tests.runtime.library.engines import ENGINES

from waferc_ir.machine import machine
from waferc_runtime.host.debug_trace import read_trace
from waferc_runtime.host.engines import EngineFactory

PROGRAM = """
const trace = @import_module("<debug>", .{ .key = "values", .buffer_size = 100 });
const times = @import_module("<debug>", .{ .key = "times", .buffer_size = 9 });
var x: f32 = 1.5;
fn main() void {
  times.trace_timestamp();
  trace.trace_string("begin");
  trace.trace_i16(-3);
  trace.trace_u16(65535);
  trace.trace(x);
  trace.trace_f16(0.25);
  trace.trace_bool(true);
  trace.trace_i8(-1);
  trace.trace_u32(70000);
  trace.trace_string("end");
  trace.trace_string("begin");
  trace.trace_i32(-70000);
  times.trace_timestamp();
  times.trace_timestamp();
  times.trace_bool(true);
  sys_mod.unblock_cmd_stream();
}
comptime { @export_symbol(main); }
"""


@pytest.mark.parametrize("engine_of", ENGINES)
def test_a_trace_holds_what_was_recorded_in_order(engine_of: EngineFactory) -> None:
    program = build(PROGRAM, exports='@export_name("main", fn()void);', width=2)
    engine = engine_of(program, machine("wse3"))
    engine.launch("main")
    values = read_trace(engine, 1, 0, "values")
    wanted = ["begin", -3, 65535, 1.5, 0.25, True, -1, 70000, "end", "begin", -70000]
    assert values == wanted
    assert [type(a) for a in values] == [type(b) for b in wanted]
    first, second = read_trace(engine, 1, 0, "times")  # a third one did not fit, and ended it
    assert isinstance(first, int)
    assert isinstance(second, int)
    assert 0 <= first < second
    assert math.isfinite(second)
