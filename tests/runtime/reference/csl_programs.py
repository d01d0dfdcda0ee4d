"""CSL programs of our own on the reference engine: a PE file, routes by PE, and words to watch."""

from __future__ import annotations

from typing import Any

from tests.runtime.csl.programs import build

from waferc_ir.machine import machine
from waferc_runtime.choices import DEFAULT_CHOICES, Choices
from waferc_runtime.observer import Event, Observer
from waferc_runtime.reference import ReferenceEngine

EXPORTS = '@export_name("main", fn()void); @export_name("out", [*]u32, true);'

# Each PE has `out` for results, `words` to send, a queue each way for color `c`, and tasks by name.
COMMON = """
param px: u16;
param py: u16;
const c = @get_color(4);
const iq = @get_input_queue(2);
const oq = @get_output_queue(3);
var out: [64]u32;
const out_ptr: [*]u32 = &out;
var words: [64]u32;
const sent = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{64} -> words[i] });
const got = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{64} -> out[i] });
const control = @import_module("<control>");
fn send(n: u16, first: u32) void {
  for (@range(u16, n)) |i| { words[i] = first + @as(u32, i); }
  @mov32(FABOUT(n), @set_dsd_length(sent, n));
}
fn command(payload: u32) void { @mov32(CONTROL, payload); }
fn receive(n: u16) void { @mov32(@set_dsd_length(got, n), FABIN(n)); }
comptime { @export_symbol(out_ptr, "out"); @export_symbol(main); QUEUES }
"""


class Notes(Observer):
    """Keeps all events."""

    wants_wavelets = True

    def __init__(self) -> None:
        self.events: list[Event] = []

    def event(self, event: Event) -> None:
        self.events.append(event)


def program(pe: str, *, arch: str = "wse2", **kw: Any) -> Any:
    """The elaborated program of `COMMON` and `pe`."""
    fabout = "@get_dsd(fabout_dsd, .{ .extent = %s, .output_queue = oq%s })"
    color = ", .fabric_color = c" if arch == "wse2" else ""
    queues = "@initialize_queue(iq, .{ .color = c });"
    if arch == "wse3":
        queues += "@initialize_queue(oq, .{ .color = c });"
    text = COMMON.replace("QUEUES", queues)
    text = text.replace("FABOUT(n)", fabout % ("n", color))
    text = text.replace("CONTROL", fabout % ("1", color + ", .control = true"))
    fabin = "@get_dsd(fabin_dsd, .{ .extent = n, .input_queue = iq, .fabric_color = c })"
    text = text.replace("FABIN(n)", fabin)
    return build(text + pe, arch=arch, exports=EXPORTS, **kw)


def engine_for(
    pe: str, *, arch: str = "wse2", choices: Choices = DEFAULT_CHOICES, **kw: Any
) -> tuple[ReferenceEngine, Notes]:
    """An engine with the program of `COMMON` and `pe`, and the events it tells."""
    notes = Notes()
    made = ReferenceEngine(program(pe, arch=arch, **kw), machine(arch), choices, notes)
    return made, notes


def run(pe: str, **kw: Any) -> ReferenceEngine:
    """An engine on which `main` has run."""
    engine, _ = engine_for(pe, **kw)
    engine.launch("main")
    return engine


def out(engine: ReferenceEngine, x: int, y: int, n: int) -> list[int]:
    """The first `n` words of `out` on a PE."""
    return engine.read("out", x, y, 1, 1, n).reshape(-1).tolist()
