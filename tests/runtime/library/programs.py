"""Running a function of ours on every engine."""

from __future__ import annotations

from typing import Any

from tests.runtime.csl.programs import build
from tests.runtime.library.engines import ENGINES

from waferc_ir.machine import machine


def compute(
    body: str, dtype: str = "i32", count: int = 1, *, top: str = "", arch: str = "wse3"
) -> list[list[Any]]:
    """What each engine finds in `out`, `count` elements of CSL type `dtype`, after `body`."""
    pe = f"""
var out: [{count}]{dtype};
const out_ptr: [*]{dtype} = &out;
{top}
fn main() void {{
  {body}
  sys_mod.unblock_cmd_stream();
}}
comptime {{ @export_symbol(out_ptr, "out"); @export_symbol(main); }}
"""
    exports = f'@export_name("out", [*]{dtype}, true); @export_name("main", fn()void);'
    program = build(pe, exports=exports, arch=arch)
    results: list[list[Any]] = []
    for engine_of in ENGINES:
        engine = engine_of(program, machine(arch))
        engine.launch("main")
        results.append(engine.read("out", 0, 0, 1, 1, count).reshape(-1).tolist())
    return results
