"""Small programs: a layout for one PE file, and running it on the reference engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_ir.machine import machine
from waferc_runtime.csl.core import Elaborated
from waferc_runtime.csl.elaborate import elaborate
from waferc_runtime.reference.engine import ReferenceEngine

HEAD = """
param memcpy_params: comptime_struct;
const sys_mod = @import_module("<memcpy/memcpy>", memcpy_params);
"""


def layout(
    width: int = 1, height: int = 1, *, params: str = "", exports: str = "", configs: str = ""
) -> str:
    """A layout that gives all PEs the file pe.csl, the params `px`, `py` and further ones."""
    return f"""
const memcpy = @import_module("<memcpy/get_params>", .{{ .width = {width}, .height = {height} }});
layout {{
  @set_rectangle({width}, {height});
  for (@range(u16, {width})) |px| {{
    for (@range(u16, {height})) |py| {{
      @set_tile_code(px, py, "pe.csl", .{{
        .memcpy_params = memcpy.get_params(px), .px = px, .py = py, {params}
      }});
      {configs}
    }}
  }}
  {exports}
}}
"""


def build(
    pe: str, *, arch: str = "wse3", others: Mapping[str, str] | None = None, **kw: Any
) -> Elaborated:
    """The elaborated program of one PE file with the usual head and layout."""
    sources = {"layout.csl": layout(**kw), "pe.csl": HEAD + pe, **(others or {})}
    return elaborate(sources, "layout.csl", machine(arch), {})


def compute(body: str, dtype: str = "i32", count: int = 1, top: str = "") -> list[Any]:
    """Run `body` on one PE; it fills `out`, an array of `count` elements of CSL type `dtype`."""
    exports = f'@export_name("out", [*]{dtype}, true); @export_name("main", fn()void);'
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
    engine = ReferenceEngine(build(pe, exports=exports), machine("wse3"))
    engine.launch("main")
    result: NDArray[Any] = np.asarray(engine.read("out", 0, 0, 1, 1, count))
    return result.reshape(-1).tolist()
