"""Small CSL programs for the host's tests, by file name, and folders with them compiled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from waferc_runtime.drop_in import cslc

STREAM_LAYOUT = """
param width: u16;
param height: u16;
param IN_ID: i16;
param OUT_ID: i16;
const input: color = @get_color(IN_ID);
const output: color = @get_color(OUT_ID);
const memcpy = @import_module("<memcpy/get_params>", .{
  .width = width, .height = height, .MEMCPYH2D_1 = input, .MEMCPYD2H_1 = output });
layout {
  @set_rectangle(width, height);
  for (@range(u16, height)) |py| {
    for (@range(u16, width)) |px| {
      @set_tile_code(px, py, "pe/triple.csl", .{ .memcpy_params = memcpy.get_params(px) });
    }
  }
  @export_name("sums", [*]u32, true);
  @export_name("halves", [*]u16, true);
  @export_name("add", fn(i16, f32) void);
  @export_name("forget", fn() void);
}
"""
# A data task sends three times each word that comes; functions change what is in memory.
TRIPLE = """
param memcpy_params: comptime_struct;
const sys_mod = @import_module("<memcpy/memcpy>", memcpy_params);
const constants = @import_module("../constants.csl");
const in_queue = @get_input_queue(2);
const out_queue = @get_output_queue(2);
const triple_id = if (@is_arch("wse3")) @get_data_task_id(in_queue)
                  else @get_data_task_id(sys_mod.MEMCPYH2D_1);
const out_dsd = @get_dsd(fabout_dsd, .{
  .extent = 1, .fabric_color = sys_mod.MEMCPYD2H_1, .output_queue = out_queue });
var sums: [2]u32 = @zeros([2]u32);
var sums_ptr: [*]u32 = &sums;
var halves: [3]u16 = [3]u16{ 7, 8, 9 };
var halves_ptr: [*]u16 = &halves;
task triple(word: u32) void {
  sums[0] += word;
  @mov32(out_dsd, constants.factor * word);
}
fn add(count: i16, amount: f32) void {
  sums[1] += @as(u32, count) + @as(u32, amount);
  sys_mod.unblock_cmd_stream();
}
fn forget() void {
  sums[1] = 0;
}
comptime {
  @bind_data_task(triple, triple_id);
  @initialize_queue(in_queue, .{ .color = sys_mod.MEMCPYH2D_1 });
  if (@is_arch("wse3")) {
    @initialize_queue(out_queue, .{ .color = sys_mod.MEMCPYD2H_1 });
  }
  @export_symbol(sums_ptr, "sums");
  @export_symbol(halves_ptr, "halves");
  @export_symbol(add);
  @export_symbol(forget);
}
"""
STREAMING: Mapping[str, str] = {
    "src/layout.csl": STREAM_LAYOUT,
    "src/pe/triple.csl": TRIPLE,
    "src/constants.csl": "const factor: u32 = 3;\n",
}


def write_sources(folder: Path, sources: Mapping[str, str]) -> None:
    """Write files into a folder."""
    for name, text in sources.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def compile_streaming(folder: Path, width: int = 2, height: int = 1, arch: str = "wse3") -> Path:
    """The folder of the compiled streaming program; the working folder must be `folder`."""
    write_sources(folder, STREAMING)
    params = f"--params=width:{width},height:{height}"
    flags = [f"--arch={arch}", params, "--params=IN_ID:4,OUT_ID:5", "--memcpy", "-o", "out"]
    assert cslc.main(["src/layout.csl", *flags]) == 0
    return folder / "out"
