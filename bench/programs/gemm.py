"""C = A B on a square grid by SUMMA: in step k the tiles of column k of A and row k of B go to all.

Routes are static, so a tile first goes along its row, from one PE to the next, to the last one,
which sends it back to all on a multicast color; the same down the columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from bench.programs import parts
from bench.programs.parts import Array, Program

Type = Literal["f32", "f16"]

_PE = """
var a = @zeros([{size}]{type});
var b = @zeros([{size}]{type});
var c = @zeros([{size}]{type});
var a_in = @zeros([{size}]{type});
var b_in = @zeros([{size}]{type});
const a_ptr: [*]{type} = &a;
const b_ptr: [*]{type} = &b;
const c_ptr: [*]{type} = &c;
const a_dsd = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{{size}}} -> a[i] }});
const b_dsd = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{{size}}} -> b[i] }});
const a_in_dsd = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{{size}}} -> a_in[i] }});
const b_in_dsd = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{{size}}} -> b_in[i] }});
const b_row_dsd = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{{tile}}} -> b_in[i] }});
const c_row_dsd = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{{tile}}} -> c[i] }});
{cross}

fn share_a(step: i16) void {{
  if (px < width - 1) {{
    if (px > step) {{ {move}(to_east, from_west); }}
    if (px == step) {{ {move}(to_east, a_dsd); }}
    {move}(a_in_dsd, from_row);
  }} else {{
    if (px == step) {{ {move}(a_in_dsd, a_dsd); }} else {{ {move}(a_in_dsd, from_west); }}
    {move}(to_row, a_in_dsd);
  }}
}}

fn share_b(step: i16) void {{
  if (py < height - 1) {{
    if (py > step) {{ {move}(to_south, from_north); }}
    if (py == step) {{ {move}(to_south, b_dsd); }}
    {move}(b_in_dsd, from_column);
  }} else {{
    if (py == step) {{ {move}(b_in_dsd, b_dsd); }} else {{ {move}(b_in_dsd, from_north); }}
    {move}(to_column, b_in_dsd);
  }}
}}

fn multiply() void {{
  for (@range(i16, {tile})) |k| {{
    const b_row = @increment_dsd_offset(b_row_dsd, k * {tile}, {type});
    for (@range(i16, {tile})) |m| {{
      const c_row = @increment_dsd_offset(c_row_dsd, m * {tile}, {type});
      {multiply}(c_row, c_row, b_row, a_in[k * {tile} + m]);
    }}
  }}
}}

fn main() void {{
  for (@range(i16, {steps})) |step| {{
    share_a(step);
    share_b(step);
    multiply();
  }}
  sys_mod.unblock_cmd_stream();
}}
comptime {{
  @export_symbol(a_ptr, "a");
  @export_symbol(b_ptr, "b");
  @export_symbol(c_ptr, "c");
  @export_symbol(main);
}}
"""


def program(pes: int, tile: int, type: Type = "f32", steps: int | None = None) -> Program:
    """The program on `pes` x `pes` PEs (at least 2) with tiles [tile, tile].

    With fewer `steps` than PEs only the first columns of A and rows of B are multiplied.
    """
    steps = pes if steps is None else steps
    size = tile * tile
    letter = "s" if type == "f32" else "h"
    pe = parts.HEAD + _PE.format(
        size=size,
        tile=tile,
        steps=steps,
        type=type,
        move=f"@fmov{letter}",
        multiply=f"@fmac{letter}",
        cross=parts.cross(size),
    )
    exports = "\n".join(f'  @export_name("{name}", [*]{type}, true);' for name in "abc")
    text = parts.layout(pes, pes, parts.CROSS, "", exports)
    dtype = "float32" if type == "f32" else "float16"
    a = parts.random(4, pes * tile, steps * tile, dtype=dtype)
    b = parts.random(5, steps * tile, pes * tile, dtype=dtype)
    whole_a = np.zeros((pes * tile, pes * tile), dtype)
    whole_b = np.zeros((pes * tile, pes * tile), dtype)
    whole_a[:, : steps * tile], whole_b[: steps * tile] = a, b

    def plain() -> Mapping[str, Array]:
        c = np.zeros((pes * tile, pes * tile), dtype)
        product = np.empty_like(c)
        for k in range(steps * tile):
            np.multiply(a[:, k : k + 1], b[k], out=product)
            np.add(c, product, out=c)
        return {"c": _tiles(c, tile)}

    inputs = {"a": _tiles(whole_a.T, tile).transpose(1, 0, 2), "b": _tiles(whole_b, tile)}
    return Program("gemm", pes, pes, {"layout.csl": text, "pe.csl": pe}, inputs, plain)


def _tiles(matrix: Array, tile: int) -> Array:
    """The tiles of a matrix, row-major: [row of PEs, column of PEs, tile * tile]."""
    rows, columns = matrix.shape[0] // tile, matrix.shape[1] // tile
    parts_of = matrix.reshape(rows, tile, columns, tile).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(parts_of).reshape(rows, columns, tile * tile)
