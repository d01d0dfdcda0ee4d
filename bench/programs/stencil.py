"""A five-point stencil: each PE holds `depth` numbers and trades them with its neighbours.

Sends are asynchronous and end in tasks; columns of the neighbours are received in the main thread.
When all are through the PE computes and begins the next step.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.programs import parts
from bench.programs.parts import Array, Program

_CENTER, _SIDE = 0.5, 0.125

_PE = """
var u = @zeros([{depth}]f32);
var total = @zeros([{depth}]f32);
var west = @zeros([{depth}]f32);
var east = @zeros([{depth}]f32);
var north = @zeros([{depth}]f32);
var south = @zeros([{depth}]f32);
const u_ptr: [*]f32 = &u;
{memory}
const east_out = @get_color(@as(u16, px % 2));
const east_in = @get_color(@as(u16, (px + 1) % 2));
const west_out = @get_color(@as(u16, 2 + px % 2));
const west_in = @get_color(@as(u16, 2 + (px + 1) % 2));
const south_out = @get_color(@as(u16, 4 + py % 2));
const south_in = @get_color(@as(u16, 4 + (py + 1) % 2));
const north_out = @get_color(@as(u16, 6 + py % 2));
const north_in = @get_color(@as(u16, 6 + (py + 1) % 2));
{queues}
{descriptors}
const sent_east = @get_local_task_id(10);
const sent_west = @get_local_task_id(11);
const sent_south = @get_local_task_id(12);
const sent_north = @get_local_task_id(13);
var step: i16 = 0;
var open: i16 = 0;

fn trade() void {{
  open = 1;
  if (px < width - 1) {{
    open += 1;
    @fmovs(to_east, u_dsd, .{{ .async = true, .activate = sent_east }});
  }}
  if (px > 0) {{
    open += 1;
    @fmovs(to_west, u_dsd, .{{ .async = true, .activate = sent_west }});
  }}
  if (py < height - 1) {{
    open += 1;
    @fmovs(to_south, u_dsd, .{{ .async = true, .activate = sent_south }});
  }}
  if (py > 0) {{
    open += 1;
    @fmovs(to_north, u_dsd, .{{ .async = true, .activate = sent_north }});
  }}
  if (px > 0) {{ @fmovs(west_dsd, from_west); }}
  if (px < width - 1) {{ @fmovs(east_dsd, from_east); }}
  if (py > 0) {{ @fmovs(north_dsd, from_north); }}
  if (py < height - 1) {{ @fmovs(south_dsd, from_south); }}
}}

fn compute() void {{
  @fadds(total_dsd, west_dsd, east_dsd);
  @fadds(total_dsd, total_dsd, north_dsd);
  @fadds(total_dsd, total_dsd, south_dsd);
  @fmuls(u_dsd, u_dsd, {center});
  @fmacs(u_dsd, u_dsd, total_dsd, {side});
}}

fn through() void {{
  open -= 1;
  while (open == 0) {{
    compute();
    step += 1;
    if (step == {steps}) {{
      open = -1;
      sys_mod.unblock_cmd_stream();
    }} else {{
      trade();
      open -= 1;
    }}
  }}
}}

task end_east() void {{ through(); }}
task end_west() void {{ through(); }}
task end_south() void {{ through(); }}
task end_north() void {{ through(); }}

fn main() void {{
  step = 0;
  trade();
  through();
}}
comptime {{
  @bind_local_task(end_east, sent_east);
  @bind_local_task(end_west, sent_west);
  @bind_local_task(end_south, sent_south);
  @bind_local_task(end_north, sent_north);
  @export_symbol(u_ptr, "u");
  @export_symbol(main);
}}
"""

_NEIGHBOURS = """
  for (@range(i16, width)) |px| {
    for (@range(i16, height)) |py| {
      if (px < width - 1) {
        @set_color_config(px, py, @get_color(px % 2),
          .{ .routes = .{ .rx = RAMP, .tx = EAST } });
        @set_color_config(px, py, @get_color(2 + (px + 1) % 2),
          .{ .routes = .{ .rx = EAST, .tx = RAMP } });
      }
      if (px > 0) {
        @set_color_config(px, py, @get_color((px + 1) % 2),
          .{ .routes = .{ .rx = WEST, .tx = RAMP } });
        @set_color_config(px, py, @get_color(2 + px % 2),
          .{ .routes = .{ .rx = RAMP, .tx = WEST } });
      }
      if (py < height - 1) {
        @set_color_config(px, py, @get_color(4 + py % 2),
          .{ .routes = .{ .rx = RAMP, .tx = SOUTH } });
        @set_color_config(px, py, @get_color(6 + (py + 1) % 2),
          .{ .routes = .{ .rx = SOUTH, .tx = RAMP } });
      }
      if (py > 0) {
        @set_color_config(px, py, @get_color(4 + (py + 1) % 2),
          .{ .routes = .{ .rx = NORTH, .tx = RAMP } });
        @set_color_config(px, py, @get_color(6 + py % 2),
          .{ .routes = .{ .rx = RAMP, .tx = NORTH } });
      }
    }
  }"""


def program(width: int, height: int, depth: int, steps: int) -> Program:
    """The program on `width` x `height` PEs, both at least 2, with zeros around them."""
    sides = ("east", "west", "south", "north")
    opposite = dict(zip(sides, ("west", "east", "north", "south"), strict=True))
    descriptors = "\n".join(
        parts.fabric(f"to_{side}", "fabout", n, f"{side}_out", str(depth))
        + "\n"
        + parts.fabric(f"from_{opposite[side]}", "fabin", n, f"{side}_in", str(depth))
        for n, side in enumerate(sides, 2)
    )
    queues = parts.queues(
        {n: f"{side}_in" for n, side in enumerate(sides, 2)},
        {n: f"{side}_out" for n, side in enumerate(sides, 2)},
    )
    memory = "\n".join(
        f"const {name}_dsd = @get_dsd(mem1d_dsd,"
        f" .{{ .tensor_access = |i|{{{depth}}} -> {name}[i] }});"
        for name in ("u", "total", *sides)
    )
    pe = parts.HEAD + _PE.format(
        depth=depth,
        steps=steps,
        memory=memory,
        queues=queues,
        descriptors=descriptors,
        center=_CENTER,
        side=_SIDE,
    )
    text = parts.layout(width, height, _NEIGHBOURS, "", '  @export_name("u", [*]f32, true);')
    u = parts.random(6, height, width, depth)

    def plain() -> Mapping[str, Array]:
        padded = np.zeros((height + 2, width + 2, depth), np.float32)
        padded[1:-1, 1:-1] = u
        for _ in range(steps):
            total = padded[1:-1, :-2] + padded[1:-1, 2:]
            total += padded[:-2, 1:-1]
            total += padded[2:, 1:-1]
            total *= np.float32(_SIDE)
            padded[1:-1, 1:-1] *= np.float32(_CENTER)
            padded[1:-1, 1:-1] += total
        return {"u": padded[1:-1, 1:-1]}

    return Program("stencil", width, height, {"layout.csl": text, "pe.csl": pe}, {"u": u}, plain)
