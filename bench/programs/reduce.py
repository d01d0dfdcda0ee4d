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
const east_out = @get_color(@as(u16, px % 2));
const east_in = @get_color(@as(u16, (px + 1) % 2));
const south_out = @get_color(@as(u16, 3 + py % 2));
const south_in = @get_color(@as(u16, 3 + (py + 1) % 2));
const row = @get_color(2);
const column = @get_color(5);
{queues}
{descriptors}
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
    descriptors = "\n".join(
        parts.fabric(name, kind, queue, color, str(words))
        for name, kind, queue, color in (
            ("to_east", "fabout", 2, "east_out"),
            ("from_west", "fabin", 2, "east_in"),
            ("to_south", "fabout", 3, "south_out"),
            ("from_north", "fabin", 3, "south_in"),
            ("to_row", "fabout", 4, "row"),
            ("from_row", "fabin", 4, "row"),
            ("to_column", "fabout", 5, "column"),
            ("from_column", "fabin", 5, "column"),
        )
    )
    queues = parts.queues(
        {2: "east_in", 3: "south_in", 4: "row", 5: "column"},
        {2: "east_out", 3: "south_out", 4: "row", 5: "column"},
    )
    pieces = "".join(
        [
            parts.CHAIN_EAST.format(even=0),
            parts.BROADCAST_WEST.format(color=2),
            parts.downward(parts.CHAIN_EAST).format(even=3),
            parts.downward(parts.BROADCAST_WEST).format(color=5),
        ]
    )
    pe = parts.HEAD + _PE.format(words=words, queues=queues, descriptors=descriptors)
    text = parts.layout(width, height, pieces, "", '  @export_name("x", [*]f32, true);')
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
