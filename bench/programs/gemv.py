"""y = A x on a grid: x goes down the columns, partial sums go along the rows.

Each PE holds a tile [rows, columns] of A. The PEs of the first row send their part of x to those
below, one to the next; each PE multiplies, and the sums are added from west to east.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.programs import parts
from bench.programs.parts import Array, Program

_PE = """
var a = @zeros([{size}]f32);
var x = @zeros([{columns}]f32);
var y = @zeros([{rows}]f32);
const a_ptr: [*]f32 = &a;
const x_ptr: [*]f32 = &x;
const y_ptr: [*]f32 = &y;
const x_dsd = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{{columns}}} -> x[i] }});
const y_dsd = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{{rows}}} -> y[i] }});
const a_dsd = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{{rows}}} -> a[i] }});
const east_out = @get_color(@as(u16, px % 2));
const east_in = @get_color(@as(u16, (px + 1) % 2));
const column = @get_color(2);
{queues}
{descriptors}
fn main() void {{
  if (py == height - 1) {{ @fmovs(to_column, x_dsd); }} else {{ @fmovs(x_dsd, from_column); }}
  @fmovs(y_dsd, 0.0);
  for (@range(i16, {columns})) |k| {{
    const column_dsd = @increment_dsd_offset(a_dsd, k * {rows}, f32);
    @fmacs(y_dsd, y_dsd, column_dsd, x[k]);
  }}
  if (px == 0) {{
    @fmovs(to_east, y_dsd);
  }} else if (px < width - 1) {{
    @fadds(to_east, from_west, y_dsd);
  }} else {{
    @fadds(y_dsd, from_west, y_dsd);
  }}
  sys_mod.unblock_cmd_stream();
}}
comptime {{
  @export_symbol(a_ptr, "a");
  @export_symbol(x_ptr, "x");
  @export_symbol(y_ptr, "y");
  @export_symbol(main);
}}
"""


def program(width: int, height: int, rows: int, columns: int) -> Program:
    """The program on `width` x `height` PEs, both at least 2, with tiles [rows, columns]."""
    descriptors = "\n".join(
        parts.fabric(name, kind, queue, color, str(extent))
        for name, kind, queue, color, extent in (
            ("to_east", "fabout", 2, "east_out", rows),
            ("from_west", "fabin", 2, "east_in", rows),
            ("to_column", "fabout", 3, "column", columns),
            ("from_column", "fabin", 3, "column", columns),
        )
    )
    queues = parts.queues({2: "east_in", 3: "column"}, {2: "east_out", 3: "column"})
    pe = parts.HEAD + _PE.format(
        rows=rows, columns=columns, size=rows * columns, queues=queues, descriptors=descriptors
    )
    pieces = parts.CHAIN_EAST.format(even=0)
    pieces += parts.downward(parts.BROADCAST_WEST).format(color=2)
    exports = "\n".join(f'  @export_name("{name}", [*]f32, true);' for name in "axy")
    text = parts.layout(width, height, pieces, "", exports)
    matrix = parts.random(2, height * rows, width * columns)
    vector = parts.random(3, width * columns)
    tiles = matrix.reshape(height, rows, width, columns).transpose(0, 2, 3, 1)
    x = np.zeros((height, width, columns), np.float32)
    x[-1] = vector.reshape(width, columns)

    def plain() -> Mapping[str, Array]:
        sums = np.zeros((height * rows, width), np.float32)
        for k in range(columns):
            sums += matrix[:, k::columns] * vector[k::columns]
        total = sums[:, 0]
        for column in range(1, width):
            total = total + sums[:, column]
        return {"y": total.reshape(height, 1, rows)}

    inputs = {"a": tiles.reshape(height, width, -1), "x": x}
    return Program("gemv", width, height, {"layout.csl": text, "pe.csl": pe}, inputs, plain)
