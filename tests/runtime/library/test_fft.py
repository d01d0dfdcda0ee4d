from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.runtime.library.engines import ENGINES

from waferc_ir.machine import machine
from waferc_runtime.csl.elaborate import elaborate

LAYOUT = """
param N: u16;
param WIDTH: i16;
param single: bool;
const memcpy = @import_module("<memcpy/get_params>", .{ .width = WIDTH, .height = WIDTH });
const fft = @import_module("<kernels/fft/fft3d_layout>", .{ .width = WIDTH, .memcpy = memcpy });
layout {
  @set_rectangle(WIDTH, WIDTH);
  fft.FFT_kernel(CORNER WIDTH, N, if (single) f32 else f16);
}
"""
CASES: list[tuple[int, int, str, str, str, tuple[int, ...]]] = [
    (4, 4, "wse3", "f32", "csfftExecC2C", (0, 0)),
    (8, 2, "wse2", "f32", "csfftExecC2C", (0, 1)),
    (4, 2, "wse3", "f16", "csfftExecC2C", (1, 1)),
    (4, 1, "wse3", "f32", "csfftExecR2C", (2,)),
    (4, 2, "wse3", "f16", "csfftExecC2R", (2,)),
]
NORMS = ("backward", "ortho", "forward")


@pytest.mark.parametrize(("n", "width", "arch", "dtype", "function", "args"), CASES)
def test_a_cube_is_transformed(
    n: int, width: int, arch: str, dtype: str, function: str, args: tuple[int, ...]
) -> None:
    layout = LAYOUT.replace("CORNER", "" if arch == "wse2" else "0, 0,")
    params = {"N": n, "WIDTH": width, "single": dtype == "f32"}
    program = elaborate({"layout.csl": layout}, "layout.csl", machine(arch), params)
    kind: Any = np.float32 if dtype == "f32" else np.float16
    angles = np.pi * np.arange(n // 2) / (n // 2)
    twiddles = np.stack([np.cos(angles), np.sin(angles)], -1).reshape(-1).astype(kind)
    rng = np.random.default_rng(3)
    cube = rng.random((n, n, n, 2)).astype(kind)  # [z, y, x, part]
    if function == "csfftExecR2C":
        cube[..., 1] = 0
    part = n // width
    # [y of PE, x of PE, z, y, x, part]
    tiles = cube.reshape(n, width, part, width, part, 2).transpose(1, 3, 0, 2, 4, 5)
    is_inverse = function == "csfftExecC2R" or (len(args) == 2 and args[1] == 1)
    numbers = cube[..., 0] + 1j * cube[..., 1].astype(np.float32)
    transform = np.fft.ifftn if is_inverse else np.fft.fftn
    wanted = transform(numbers, norm=NORMS[args[0]])
    results: list[Any] = []
    for engine_of in ENGINES:
        engine = engine_of(program, machine(arch))
        engine.write("X", 0, 0, tiles.reshape(width, width, -1))
        engine.write("twiddle_array", 0, 0, np.broadcast_to(twiddles, (width, width, n)))
        engine.launch(function, *args)
        out = engine.read("X", 0, 0, width, width, 2 * n * part * part)
        back = out.reshape(width, width, n, part, part, 2).transpose(2, 0, 3, 1, 4, 5)
        result = back.reshape(n, n, n, 2).astype(np.float32)
        scale = np.abs(wanted).max()
        error = np.abs(result[..., 0] + 1j * result[..., 1] - wanted).max()
        assert error < scale * (1e-6 if dtype == "f32" else 3e-3)
        assert engine.read("fft_time", 0, 0, 1, 1, 2)[0, 0, 0] > 100
        results.append(out)
    np.testing.assert_array_equal(results[0], results[1])
