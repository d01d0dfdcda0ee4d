"""What programs of benchmarks have in common: their shape, and pieces of layouts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A program to run: its files (the layout is `layout.csl`), what goes in and what comes out.

    `inputs` are arrays [height, width, n] by symbol. `plain` computes the same numbers with NumPy
    on whole arrays: by symbol, those of the last columns of PEs, [height, columns, n].
    """

    name: str
    width: int
    height: int
    sources: Mapping[str, str]
    inputs: Mapping[str, Array]
    plain: Callable[[], Mapping[str, Array]]
    entry: str = "main"


CHAIN_EAST = """
  for (@range(i16, width)) |px| {{
    for (@range(i16, height)) |py| {{
      if (px < width - 1) {{
        @set_color_config(px, py, @get_color({even} + px % 2),
          .{{ .routes = .{{ .rx = RAMP, .tx = EAST }} }});
      }}
      if (px > 0) {{
        @set_color_config(px, py, @get_color({even} + (px + 1) % 2),
          .{{ .routes = .{{ .rx = WEST, .tx = RAMP }} }});
      }}
    }}
  }}"""

BROADCAST_WEST = """
  for (@range(i16, width)) |px| {{
    for (@range(i16, height)) |py| {{
      if (px == width - 1) {{
        @set_color_config(px, py, @get_color({color}),
          .{{ .routes = .{{ .rx = RAMP, .tx = WEST }} }});
      }} else if (px > 0) {{
        @set_color_config(px, py, @get_color({color}),
          .{{ .routes = .{{ .rx = EAST, .tx = .{{ WEST, RAMP }} }} }});
      }} else {{
        @set_color_config(px, py, @get_color({color}),
          .{{ .routes = .{{ .rx = EAST, .tx = RAMP }} }});
      }}
    }}
  }}"""


def downward(piece: str) -> str:
    """A piece of a layout with x and y exchanged: east becomes south, west north."""
    for a, b in (("EAST", "SOUTH"), ("WEST", "NORTH"), ("width", "height")):
        piece = piece.replace(a, "\0").replace(b, a).replace("\0", b)
    head, *lines = piece.split("@set_color_config(px, py,")
    turned = [part.replace("px", "\0").replace("py", "px").replace("\0", "py") for part in lines]
    head = head.replace("px", "\0").replace("py", "px").replace("\0", "py")
    return "@set_color_config(px, py,".join([head, *turned])


CROSS = "".join(
    [
        CHAIN_EAST.format(even=0),
        BROADCAST_WEST.format(color=2),
        downward(CHAIN_EAST).format(even=3),
        downward(BROADCAST_WEST).format(color=5),
    ]
)

_CROSS_COLORS = """
const east_out = @get_color(@as(u16, px % 2));
const east_in = @get_color(@as(u16, (px + 1) % 2));
const south_out = @get_color(@as(u16, 3 + py % 2));
const south_in = @get_color(@as(u16, 3 + (py + 1) % 2));
const row = @get_color(2);
const column = @get_color(5);
"""


def cross(words: int) -> str:
    """What a PE needs for messages on the routes of `CROSS`.

    `to_east`, `from_west`, `to_row`, `from_row`, and the same down the columns.
    """
    inputs = {2: "east_in", 3: "south_in", 4: "row", 5: "column"}
    outputs = {2: "east_out", 3: "south_out", 4: "row", 5: "column"}
    names = {2: ("east", "west"), 3: ("south", "north"), 4: ("row", "row"), 5: ("column", "column")}
    lines = [queues(inputs, outputs)]
    for number, (to, origin) in names.items():
        lines.append(fabric(f"to_{to}", "fabout", number, outputs[number], str(words)))
        lines.append(fabric(f"from_{origin}", "fabin", number, inputs[number], str(words)))
    return _CROSS_COLORS + "\n".join(lines)


def layout(width: int, height: int, pieces: str, params: str, exports: str) -> str:
    """The layout: all PEs run `pe.csl` with their position and `params`; then `pieces`."""
    return f"""
const width: i16 = {width};
const height: i16 = {height};
const memcpy = @import_module("<memcpy/get_params>", .{{ .width = width, .height = height }});
layout {{
  @set_rectangle(width, height);
  for (@range(i16, width)) |px| {{
    for (@range(i16, height)) |py| {{
      @set_tile_code(px, py, "pe.csl", .{{ .memcpy_params = memcpy.get_params(px),
        .px = px, .py = py, .width = width, .height = height, {params} }});
    }}
  }}
{pieces}
  @export_name("main", fn()void);
{exports}
}}
"""


HEAD = """
param memcpy_params: comptime_struct;
param px: i16;
param py: i16;
param width: i16;
param height: i16;
const sys_mod = @import_module("<memcpy/memcpy>", memcpy_params);
"""


def queues(inputs: Mapping[int, str], outputs: Mapping[int, str]) -> str:
    """Queues by id and the CSL expression of their color: `in<id>`, `out<id>`."""
    lines = [f"const in{n} = @get_input_queue({n});" for n in inputs]
    lines += [f"const out{n} = @get_output_queue({n});" for n in outputs]
    ends = [(f"in{n}", color) for n, color in inputs.items()]
    ends += [(f"out{n}", color) for n, color in outputs.items()]
    binds = [f"  @initialize_queue({queue}, .{{ .color = {color} }});" for queue, color in ends]
    return "\n".join([*lines, 'comptime { if (@is_arch("wse3")) {', *binds, "} }"])


def fabric(name: str, kind: str, queue: int, color: str, extent: str) -> str:
    """A fabric descriptor."""
    queue_of = f".input_queue = in{queue}" if kind == "fabin" else f".output_queue = out{queue}"
    return (
        f"const {name} = @get_dsd({kind}_dsd,"
        f" .{{ .extent = {extent}, .fabric_color = {color}, {queue_of} }});"
    )


def random(seed: int, *shape: int, dtype: str = "float32") -> Array:
    """Numbers from -1 to 1."""
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(dtype)
