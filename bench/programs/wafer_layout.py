"""A layout of many PEs: params by position, and about twenty route settings on each PE.

It is written in two ways that people use: ranges (`for`) with choices as values, and counters
(`while`) with a function of a module that sets variables under conditions.
"""

from __future__ import annotations

from typing import Literal

Style = Literal["ranges", "counters"]

# for each pair of colors: the direction that words go, and the coordinate whose parity chooses
_CHAINS = (
    (0, "EAST", "WEST", "px", "px < width - 1", "px > 0"),
    (2, "WEST", "EAST", "px", "px > 0", "px < width - 1"),
    (4, "SOUTH", "NORTH", "py", "py < height - 1", "py > 0"),
    (6, "NORTH", "SOUTH", "py", "py > 0", "py < height - 1"),
    (10, "EAST", "WEST", "px", "px < width - 1", "px > 0"),
    (12, "SOUTH", "NORTH", "py", "py < height - 1", "py > 0"),
)
_SWITCHED = (16, 17)  # may have switches on both architectures

PE = """
param memcpy_params: comptime_struct;
param roles: comptime_struct;
param px: i16;
param py: i16;
const sys_mod = @import_module("<memcpy/memcpy>", memcpy_params);
const from_west = @get_input_queue(2);
const to_east = @get_output_queue(2);
var x = @zeros([16]f32);
const x_ptr: [*]f32 = &x;
const x_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{16} -> x[i] });
const in = @get_dsd(fabin_dsd, .{
  .extent = 16, .fabric_color = roles.from_west, .input_queue = from_west });
const out = @get_dsd(fabout_dsd, .{
  .extent = 16, .fabric_color = roles.to_east, .output_queue = to_east });
fn main() void {
  if (roles.is_first_x) { @fmovs(out, x_dsd); }
  else if (roles.is_last_x) { @fadds(x_dsd, in, x_dsd); }
  else { @fadds(out, in, x_dsd); }
  sys_mod.unblock_cmd_stream();
}
comptime {
  if (@is_arch("wse3")) {
    @initialize_queue(from_west, .{ .color = roles.from_west });
    @initialize_queue(to_east, .{ .color = roles.to_east });
  }
  @export_symbol(x_ptr, "x");
  @export_symbol(main);
}
"""

ROLES = """
param width: i16;
param height: i16;
fn colors_of(px: i16) comptime_struct {
  if (px % 2 == 0) {
    return .{ .to_east = @get_color(0), .from_west = @get_color(1) };
  } else {
    return .{ .to_east = @get_color(1), .from_west = @get_color(0) };
  }
}
fn roles(px: i16, py: i16) comptime_struct {
  var is_first_x: bool = px == 0;
  var is_last_x: bool = px == width - 1;
  var ring: i16 = 0;
  if (py % 2 == 0) { ring = px; } else { ring = 2 * width - 1 - px; }
  var edge: i16 = 0;
  if (py == 0) { edge = 1; }
  if (py == height - 1) { edge = 2; }
  return @concat_structs(colors_of(px), .{
    .is_first_x = is_first_x, .is_last_x = is_last_x, .ring = ring, .edge = edge });
}
"""


def sources(width: int, height: int, style: Style, has_switches: bool) -> dict[str, str]:
    """The files of the program; the layout is `layout.csl`.

    The program rectangle has `width` x `height` PEs; each PE has 20 color settings or two less.
    """
    body = _body(has_switches)
    if style == "ranges":
        loops = f"""
  for (@range(i16, width)) |px| {{
    for (@range(i16, height)) |py| {{
{body}
    }}
  }}"""
    else:
        loops = f"""
  var py: i16 = 0;
  while (py < height) : (py += 1) {{
    var px: i16 = 0;
    while (px < width) : (px += 1) {{
{body}
    }}
  }}"""
    layout = f"""
const width: i16 = {width};
const height: i16 = {height};
const memcpy = @import_module("<memcpy/get_params>", .{{ .width = width, .height = height }});
const roles = @import_module("roles.csl", .{{ .width = width, .height = height }});
layout {{
  @set_rectangle(width, height);
{loops}
  @export_name("x", [*]f32, true);
  @export_name("main", fn()void);
}}
"""
    return {"layout.csl": layout, "pe.csl": PE, "roles.csl": ROLES}


def _body(has_switches: bool) -> str:
    lines = [
        '@set_tile_code(px, py, "pe.csl", .{',
        "  .memcpy_params = memcpy.get_params(px), .roles = roles.roles(px, py),",
        "  .px = px, .py = py });",
    ]
    for first, to, back, parity, sends, receives in _CHAINS:
        mine = f"@get_color({first} + {parity} % 2)"
        theirs = f"@get_color({first + 1} - {parity} % 2)"
        lines += [
            f"if ({sends}) {{ @set_color_config(px, py, {mine}, "
            f".{{ .routes = .{{ .rx = .{{ RAMP }}, .tx = .{{ {to} }} }} }}); }}",
            f"if ({receives}) {{ @set_color_config(px, py, {theirs}, "
            f".{{ .routes = .{{ .rx = .{{ {back} }}, .tx = .{{ RAMP }} }} }}); }}",
        ]
    for color, at, to, back in ((8, "px", "EAST", "WEST"), (9, "py", "SOUTH", "NORTH")):
        last = "width" if at == "px" else "height"
        lines += [
            f"if ({at} == 0) {{ @set_color_config(px, py, @get_color({color}), "
            f".{{ .routes = .{{ .rx = .{{ RAMP }}, .tx = .{{ {to} }} }} }}); }}",
            f"else if ({at} == {last} - 1) {{ @set_color_config(px, py, @get_color({color}), "
            f".{{ .routes = .{{ .rx = .{{ {back} }}, .tx = .{{ RAMP }} }} }}); }}",
            f"else {{ @set_color_config(px, py, @get_color({color}), "
            f".{{ .routes = .{{ .rx = .{{ {back} }}, .tx = .{{ {to}, RAMP }} }} }}); }}",
        ]
    for color in (14, 15):
        lines += [
            f"const tx{color} = if (py == height - 1) .{{ RAMP }} else .{{ RAMP, SOUTH }};",
            f"@set_color_config(px, py, @get_color({color}), .{{ .routes = .{{"
            f" .rx = if (py == 0) RAMP else NORTH, .tx = tx{color} }} }});",
        ]
    for color in _SWITCHED:
        switches = ""
        if has_switches:
            switches = (
                ", .switches = .{ .pos1 = .{ .tx = EAST }, .pos2 = .{ .rx = RAMP },"
                " .ring_mode = true, .pop_mode = .{ .pop_on_advance = true } }"
            )
        lines += [
            f"@set_color_config(px, py, @get_color({color}), .{{ .routes = .{{"
            f" .rx = if (px == 0) RAMP else WEST, .tx = RAMP }}{switches} }});"
        ]
    for color in (18, 19):
        lines += [
            f"if ((px + py) % 2 == {color - 18} and px < width - 1) {{"
            f" @set_color_config(px, py, @get_color({color}),"
            " .{ .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST } } }); }",
        ]
    return "\n".join(f"      {line}" for line in lines)
