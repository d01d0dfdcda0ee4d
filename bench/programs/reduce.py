"""All-reduce of `words` numbers over all PEs: chains along rows and then along the last column.

Each PE adds what comes from before it and hands it on; the last one has the sum and sends it back
to all on a multicast color.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.programs import parts
from bench.programs.parts import Array, Program

_PE = """
var x = @zeros([{words}]f32);
const x_ptr: [*]f32 = &x;
const x_dsd = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{{words}}} -> x[i] }});
{cross}
fn main() void {{
  if (px == 0) {{
    @fmovs(to_east, x_dsd);
  }} else if (px < width - 1) {{
    @fadds(to_east, from_west, x_dsd);
  }} else {{
    @fadds(x_dsd, from_west, x_dsd);
    if (py == 0) {{
      @fmovs(to_south, x_dsd);
    }} else if (py < height - 1) {{
      @fadds(to_south, from_north, x_dsd);
    }} else {{
      @fadds(x_dsd, from_north, x_dsd);
    }}
    if (py == height - 1) {{ @fmovs(to_column, x_dsd); }} else {{ @fmovs(x_dsd, from_column); }}
  }}
  if (px == width - 1) {{ @fmovs(to_row, x_dsd); }} else {{ @fmovs(x_dsd, from_row); }}
  sys_mod.unblock_cmd_stream();
}}
comptime {{
  @export_symbol(x_ptr, "x");
  @export_symbol(main);
}}
"""


def program(width: int, height: int, words: int) -> Program:
    """The program on `width` x `height` PEs, both at least 2."""
    pe = parts.HEAD + _PE.format(words=words, cross=parts.cross(words))
    text = parts.layout(width, height, parts.CROSS, "", '  @export_name("x", [*]f32, true);')
    x = parts.random(1, height, width, words)

    def plain() -> Mapping[str, Array]:
        rows = x[:, 0]
        for column in range(1, width):
            rows = rows + x[:, column]
        total = rows[0]
        for row in range(1, height):
            total = total + rows[row]
        return {"x": np.broadcast_to(total, x.shape)}

    return Program("reduce", width, height, {"layout.csl": text, "pe.csl": pe}, {"x": x}, plain)
