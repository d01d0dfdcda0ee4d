"""A hand-written program of two PEs: y = x * w, and a bundle of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from waferc_runtime.host.bundle import make_bundle
from waferc_runtime.host.contents import Bundle

_LAYOUT = """
const memcpy = @import_module("<memcpy/get_params>", .{ .width = 2, .height = 1 });
layout {
  @set_rectangle(2, 1);
  for (@range(u16, 2)) |px| {
    @set_tile_code(px, 0, "pe.csl", .{ .memcpy_params = memcpy.get_params(px) });
  }
  @export_name("x", [*]TYPE, true);
  @export_name("w", [*]TYPE, true);
  @export_name("y", [*]TYPE, true);
  @export_name("main", fn()void);
}
"""
_PE = """
param memcpy_params: comptime_struct;
const sys_mod = @import_module("<memcpy/memcpy>", memcpy_params);
var x: [2]TYPE = @zeros([2]TYPE);
var w: [2]TYPE = @zeros([2]TYPE);
var y: [2]TYPE = @zeros([2]TYPE);
var x_ptr: [*]TYPE = &x;
var w_ptr: [*]TYPE = &w;
var y_ptr: [*]TYPE = &y;
const x_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{2} -> x[i] });
const w_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{2} -> w[i] });
const y_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{2} -> y[i] });
fn main() void {
  MULTIPLY(y_dsd, x_dsd, w_dsd);
  sys_mod.unblock_cmd_stream();
}
comptime {
  @export_symbol(x_ptr, "x");
  @export_symbol(w_ptr, "w");
  @export_symbol(y_ptr, "y");
  @export_symbol(main);
}
"""


def product_bundle(dtype: str = "f32", target: str = "wse3") -> Bundle:
    """y = x * w for three elements in blocks of two; w = 1, 2, 3."""
    multiply = {"f32": "@fmuls", "f16": "@fmulh"}[dtype]

    def placement(label: str) -> dict[str, Any]:
        return {
            "label": label, "symbol": label, "shape": [3], "dtype": dtype,
            "region": {"x": 0, "y": 0, "width": 2, "height": 1},
            "splits": [{"axis": "x", "block": 2}],
        }  # fmt: skip

    document: dict[str, object] = {
        "format": "waferc-bundle", "version": 2, "name": "product", "target": target,
        "dtype": dtype, "layout": "csl/layout.csl", "width": 2, "height": 1,
        "state": [placement("w")],
        "entries": [
            {"label": "main", "function": "main", "inputs": [placement("x")],
             "outputs": [placement("y")], "tolerance": {}},
        ],
    }  # fmt: skip
    sources = {
        "layout.csl": _LAYOUT.replace("TYPE", dtype),
        "pe.csl": _PE.replace("TYPE", dtype).replace("MULTIPLY", multiply),
    }
    numpy_dtype = {"f32": "float32", "f16": "float16"}[dtype]
    return make_bundle(document, sources, {"w": np.array([1, 2, 3], numpy_dtype)})
