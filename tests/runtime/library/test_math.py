from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tests.runtime.library.programs import compute

TOP = 'const math = @import_module("<math>");'
CALLS: list[tuple[str, str, Any]] = [
    ("f32", "math.fscale(x, 3)", 12.0),
    ("f32", "math.fscale_f32(x, -2)", 0.375),
    ("f16", "math.fscale(x, -2)", 0.375),
    ("f32", "math.subsat(x, 2.0)", -0.5),
    ("i16", "math.subsat(@as(i16, -30000), 20000)", -32768),
    ("i16", "math.subsat(@as(i16, 30000), -20000)", 32767),
    ("i16", "math.subsat(@as(i16, 3), 5)", -2),
    ("u16", "math.subsat(@as(u16, 3), 5)", 0),
    ("i8", "math.subsat(@as(i8, -100), 100)", -128),
    ("f32", "@as(f32, math.isSignaling(@bitcast(f32, signals)))", 1.0),
    ("f32", "@as(f32, math.isSignaling(math.NaN(f32)))", 0.0),
    ("f16", "@as(f16, math.isSignaling(@bitcast(f16, signals)))", 1.0),
    ("f32", "math.sign(-x)", -1.0),
    ("f32", "math.sig(x)", float(np.float32(1 / (1 + math.exp(-1.5))))),
    ("f32", "math.pow(x, 2.0)", 2.25),
    ("f32", "math.max_f32(x, math.NEGATIVE_INF_f32)", 1.5),
    ("f16", "math.floor_f16(x)", 1.0),
    ("i32", "math.abs(@as(i32, -7))", 7),
]


@pytest.mark.parametrize(("dtype", "call", "wanted"), CALLS, ids=[call for _, call, _ in CALLS])
def test_functions_at_run_time(dtype: str, call: str, wanted: Any) -> None:
    x = {
        "f32": "var x: f32 = 1.5; var signals: u32 = 0x7F800001;",
        "f16": "var x: f16 = 1.5; var signals: u16 = 0x7C01;",
    }.get(dtype, "")
    for result in compute(f"out[0] = {call};", dtype, top=TOP + x):
        assert result == [wanted]


def test_functions_at_compile_time() -> None:
    top = f"""{TOP}
const a = comptime math.fscale_f32(1.5, 3);
const b = comptime math.fscale(@as(f16, 1.5), -2);
const c: f32 = comptime math.floor_f32(2.5);
"""
    for result in compute("out[0] = a; out[1] = @as(f32, b); out[2] = c;", "f32", 3, top=top):
        assert result == [12.0, 0.375, 2.0]
