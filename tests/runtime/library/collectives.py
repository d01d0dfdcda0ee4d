"""A program that runs one collective operation after another along both axes."""

from __future__ import annotations

LAYOUT = """
param width: u16;
param height: u16;
const memcpy = @import_module("<memcpy/get_params>", .{ .width = width, .height = height });
const c2d = @import_module("<collectives_2d/params>");
layout {
  @set_rectangle(width, height);
  for (@range(u16, width)) |px| {
    for (@range(u16, height)) |py| {
      @set_tile_code(px, py, "pe.csl", .{
        .memcpy_params = memcpy.get_params(px),
        .c2d_params = c2d.get_params(px, py, .{
          .x_colors = .{ @get_color(0), @get_color(1) },
          .x_entrypoints = .{ @get_local_task_id(10), @get_local_task_id(11) },
          .y_colors = .{ @get_color(4), @get_color(5) },
          .y_entrypoints = .{ @get_local_task_id(12), @get_local_task_id(13) },
        }),
      });
    }
  }
  @export_name("send", [*]f32, true);
  @export_name("recv", [*]f32, true);
  @export_name("main", fn()void);
}
"""


def pe(calls: list[str], words: int) -> str:
    """PE code: `calls` are made in turn, each with `next` as its callback."""
    cases = "".join(f"{n} => {{ {call} }}," for n, call in enumerate(calls))
    return f"""
param memcpy_params: comptime_struct;
param c2d_params: comptime_struct;
const sys_mod = @import_module("<memcpy/memcpy>", memcpy_params);
const x = @import_module("<collectives_2d/pe>", .{{ .dim_params = c2d_params.x }});
const y = @import_module("<collectives_2d/pe>", .{{ .dim_params = c2d_params.y }});
const next: local_task_id = @get_local_task_id(15);
var send: [{words}]f32;
var recv: [{words}]f32;
var send_ptr: [*]f32 = &send;
var recv_ptr: [*]f32 = &recv;
var state: u16 = 0;
task step() void {{
  const s = @ptrcast([*]u32, &send);
  const r = @ptrcast([*]u32, &recv);
  const now = state;
  state += 1;
  switch (now) {{
    {cases}
    else => {{ sys_mod.unblock_cmd_stream(); }},
  }}
}}
fn main() void {{ x.init(); y.init(); @activate(next); }}
comptime {{
  @bind_local_task(step, next);
  @export_symbol(send_ptr, "send");
  @export_symbol(recv_ptr, "recv");
  @export_symbol(main);
}}
"""
