from __future__ import annotations

from tests.runtime.csl.programs import build

from waferc_ir.machine import machine
from waferc_runtime.vector.engine import VectorEngine

PE = """
param px: u16;
param py: u16;
const position = @import_module("<layout>");
var out: [2]u16;
var out_ptr: [*]u16 = &out;
fn main() void {
  const x = position.get_x_coord();
  var y: u16 = 0;
  if (x == 1) { y = 1; } else { y = 2; }
  out[0] = y | x;
  out[1] = ~y;
  sys_mod.unblock_cmd_stream();
}
comptime { @export_symbol(main); @export_symbol(out_ptr, "out"); }
"""


def test_constants_of_parts_that_meet_again_keep_their_type() -> None:
    exports = '@export_name("main", fn()void); @export_name("out", [*]u16, true);'
    engine = VectorEngine(build(PE, width=3, exports=exports), machine("wse3"))
    engine.launch("main")
    assert engine.read("out", 0, 0, 3, 1, 2).tolist() == [[[2, 65533], [1, 65534], [2, 65533]]]
