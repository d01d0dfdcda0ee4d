"""Programs to damage: CSL of our own, and a public checkout if there is one."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.runtime.csl.programs import HEAD, layout

import waferc_runtime

_PE = """
param px: i16;
param py: i16;
const n: u16 = 8;
var x = @constants([n]f32, 1.5);
var y: [n]i32 = @zeros([n]i32);
const x_ptr: [*]f32 = &x;
const dx = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{n} -> x[i] });
const pair = .{ .left = 3, .right = 4.5 };
const blue: color = @get_color(3);
const done = @get_local_task_id(10);
fn twice(comptime T: type, v: T) T { return v + v; }
fn sum(k: u16) i32 {
  var total: i32 = 0;
  for (@range(u16, k)) |i| {
    total += y[i] + @as(i32, i);
    if (total > 20) break;
  }
  return total;
}
task finish() void { sys_mod.unblock_cmd_stream(); }
fn main() void {
  y[2] = twice(i32, sum(n)) << 1;
  @fmuls(dx, dx, @as(f32, pair.right));
  var p: *i32 = &y[1];
  p.* = if (px == 0) 1 else 2;
  switch (@as(u16, px)) { 0 => { y[0] = 5; }, else => { y[0] = 6; } }
  var k: u16 = 0;
  while (k < n) : (k += 1) { x[k] = x[k] / 2.0; }
  @activate(done);
}
comptime {
  @comptime_assert(n == 8);
  @bind_local_task(finish, done);
  @export_symbol(x_ptr, "x");
  @export_symbol(main);
}
"""
_EXPORTS = '@export_name("x", [*]f32, true); @export_name("main", fn()void);'


@dataclass(frozen=True, slots=True)
class Seed:
    """A program that is whole: files by name, the layout among them, its params."""

    sources: Mapping[str, str]
    layout: str
    params: Mapping[str, int]
    arch: str


def small() -> Seed:
    """A program of 3 x 2 PEs that computes, has a task and exports `main` and `x`."""
    sources = {"layout.csl": layout(3, 2, exports=_EXPORTS), "pe.csl": HEAD + _PE}
    return Seed(sources, "layout.csl", {}, "wse3")


def seeds() -> list[Seed]:
    """All seeds; those of a public checkout only if WAFERC_CSL_EXAMPLES names one."""
    folder = Path(waferc_runtime.__file__).parent / "validate" / "programs"
    own = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.csl"))}
    names = [name for name in own if name.endswith("_layout.csl")]
    found = [small(), *(Seed(own, name, _params(own[name]), "wse2") for name in names)]
    public = os.environ.get("WAFERC_CSL_EXAMPLES")
    for top in sorted(Path(public).rglob("layout.csl")) if public else ():
        sources = {
            os.path.relpath(path, top.parent): path.read_text(encoding="utf-8", errors="replace")
            for path in top.parent.rglob("*.csl")
        }
        found.append(Seed(sources, "layout.csl", _params(sources["layout.csl"]), "wse3"))
    return found


def _params(text: str) -> dict[str, int]:
    """A small number for each param of a layout."""
    return dict.fromkeys(re.findall(r"^param\s+(\w+)\s*:\s*[iu]\d\d", text, re.MULTILINE), 4)
