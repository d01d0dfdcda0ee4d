from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.runtime.host.csl_programs import write_sources

from waferc_ir.diagnostics import WaferError
from waferc_runtime.host.artifact import read_artifact
from waferc_runtime.host.errors import HostError
from waferc_runtime.host.layout.geometry import IntRectangle, IntVector
from waferc_runtime.host.layout.region import CodeRegion, PortHandle
from waferc_runtime.host.layout.routing import Color, Edge, Route, RoutingPosition
from waferc_runtime.host.layout.sdk_layout import SdkLayout, SdkTarget, get_platform
from waferc_runtime.host.sdk import SdkRuntime
from waferc_runtime.run_error import RunError

SEND = [RoutingPosition().set_input([Route.RAMP])]
RECEIVE = [RoutingPosition().set_output([Route.RAMP])]

# Adds `amount` to each of `size` words that come.
ADDER = """
param size: u16;
param amount: u16;
param rx: color;
param tx: u16;
const in_queue = @get_input_queue(0);
const out_queue = @get_output_queue(0);
const words = @get_dsd(fabin_dsd, .{ .extent = size, .fabric_color = rx, .input_queue = in_queue });
const sums = @get_dsd(fabout_dsd, .{
  .extent = size, .fabric_color = @get_color(tx), .output_queue = out_queue });
export var table = @zeros([2, 3]i16);
const main_id = @get_local_task_id(8);
task main() void {
  @add16(sums, words, amount + @as(u16, table[0, 0]), .{ .async = true });
}
comptime {
  @bind_local_task(main, main_id);
  @activate(main_id);
  @initialize_queue(in_queue, .{ .color = rx });
  if (@is_arch("wse3")) { @initialize_queue(out_queue, .{ .color = @get_color(tx) }); }
}
"""
RECEIVER = """
param size: u16;
param rx: color;
const in_queue = @get_input_queue(0);
const words = @get_dsd(fabin_dsd, .{ .extent = size, .fabric_color = rx, .input_queue = in_queue });
export var got = @zeros([4]u16);
const got_dsd = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{size} -> got[i] });
const main_id = @get_local_task_id(8);
task main() void { @mov16(got_dsd, words, .{ .async = true }); }
comptime {
  @bind_local_task(main, main_id);
  @activate(main_id);
  @initialize_queue(in_queue, .{ .color = rx });
}
"""


@pytest.fixture(autouse=True)
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_sources(tmp_path, {"adder.csl": ADDER, "receiver.csl": RECEIVER})


def adder(layout: SdkLayout, name: str, amount: int, height: int = 1) -> CodeRegion:
    region = layout.create_code_region("./adder.csl", name, 1, height)
    region.set_param_all("size", 4)
    region.set_param_all("amount", amount)
    for color in ("rx", "tx"):
        region.set_param_all(region.color(color))
    return region


def ports(region: CodeRegion, rx: Edge, tx: Edge, size: int = 4) -> tuple[PortHandle, PortHandle]:
    return (
        region.create_input_port(region.color("rx"), rx, RECEIVE, size),
        region.create_output_port(region.color("tx"), tx, SEND, size),
    )


def empty_layout(target: SdkTarget = SdkTarget.WSE3) -> SdkLayout:
    return SdkLayout(get_platform(None, None, target))


@pytest.mark.parametrize("target", list(SdkTarget))
@pytest.mark.parametrize("engine", ["vector", "reference"])
def test_words_go_through_regions_wherever_they_are(target: SdkTarget, engine: str) -> None:
    layout = empty_layout(target)
    first, second = adder(layout, "first", 1), adder(layout, "second", 10)
    first.place(3, 4)
    second.place(0, 1)
    first_in, first_out = ports(first, Edge.RIGHT, Edge.RIGHT)
    second_in, second_out = ports(second, Edge.RIGHT, Edge.TOP)
    layout.connect(first_out, second_in)
    to, back = layout.create_input_stream(first_in), layout.create_output_stream(second_out)
    artifacts = layout.compile("out")
    runtime = SdkRuntime(artifacts, get_platform(None), memcpy_required=False, engine=engine)
    runtime.load()
    runtime.run()
    result = np.zeros(4, np.uint32)
    runtime.receive(back, result, 4, nonblock=True)
    runtime.send(to, np.array([1, 2, 3, 4], np.uint32), nonblock=True)
    runtime.stop()
    np.testing.assert_array_equal(result, [12, 13, 14, 15])


def test_ports_of_many_pes_are_paired_and_data_stands_in_variables() -> None:
    layout = empty_layout()
    source = adder(layout, "source", 5, height=2)
    source.set_symbol_all("table", np.arange(12, dtype=np.int16).reshape(4, 3) * 100, 3, 4)
    rx, tx = ports(source, Edge.LEFT, Edge.RIGHT)
    sink = layout.create_code_region("receiver.csl", "sink", 1, 2)
    sink.set_param_all("size", 4)
    sink.set_param_all("rx", Color("sink_rx"))
    layout.connect(tx, sink.create_input_port(Color("sink_rx"), Edge.LEFT, RECEIVE, 4))
    spread = layout.create_code_region("spread.csl", "spread", 1, 2)
    feeder = """
    param tx: color;
    const out_queue = @get_output_queue(0);
    const words = @get_dsd(fabout_dsd, .{
      .extent = 4, .fabric_color = tx, .output_queue = out_queue });
    const main_id = @get_local_task_id(8);
    task main() void { @mov16(words, @as(u16, 7), .{ .async = true }); }
    comptime {
      @bind_local_task(main, main_id);
      @activate(main_id);
      if (@is_arch("wse3")) { @initialize_queue(out_queue, .{ .color = tx }); }
    }
    """
    write_sources(Path(), {"spread.csl": feeder})
    out = spread.color("tx")
    spread.set_param_all(out)
    layout.connect(spread.create_output_port(out, Edge.RIGHT, SEND, 4), rx)
    assert layout.hstack([spread, source], IntVector(2, 2)) == 2
    sink.place(6, 2)
    runtime = SdkRuntime(layout.compile("out"))
    runtime.load()
    runtime.run()
    runtime.stop()
    for row, expected in enumerate((12, 612)):
        got = runtime.read_symbol(6, 2 + row, "got", dtype="uint16")
        np.testing.assert_array_equal(got, np.full(4, expected))
    table = runtime.read_symbol(3, 3, "table", "int16").reshape(2, 3)
    np.testing.assert_array_equal(table, [[600, 700, 800], [900, 1000, 1100]])


def test_a_pe_may_talk_to_the_host_on_colors_of_its_own() -> None:
    layout = empty_layout()
    region = adder(layout, "one", 3)
    to = layout.create_input_stream_from_loc(IntVector(0, 0), region.color("rx"))
    back = layout.create_output_stream_from_loc(IntVector(0, 0), region.color("tx"))
    other = adder(layout, "other", 5)
    rx, tx = ports(other, Edge.LEFT, Edge.RIGHT)
    far, home = layout.create_input_stream(rx), layout.create_output_stream(tx)
    runtime = SdkRuntime(layout.compile("out"))
    runtime.load()
    runtime.run()
    words, near_result, far_result = (np.arange(4, dtype=np.uint32) for _ in range(3))
    runtime.send(to, words)
    runtime.send(far, words)
    runtime.receive(back, near_result, 4)
    runtime.receive(home, far_result, 4)
    np.testing.assert_array_equal(near_result, words + 3)
    np.testing.assert_array_equal(far_result, words + 5)
    layout.create_input_stream_from_loc(IntVector(9, 9), region.color("rx"), "far_")
    with pytest.raises(HostError, match=r"there is no code on PE \(9, 9\)"):
        layout.compile("out")


def test_switch_positions_become_switches_and_later_paint_covers_earlier() -> None:
    layout = empty_layout()
    region = adder(layout, "region", 0, height=3)
    color = region.color("rx")
    through = RoutingPosition().set_input([Route.NORTH]).set_output([Route.SOUTH])
    keep = RoutingPosition().set_input([Route.NORTH]).set_output([Route.RAMP])
    region.paint_all(color, [keep, through])
    region.paint_range(IntRectangle(IntVector(0, 2), IntVector(1, 3)), color, [keep])
    layout.compile("out")
    text = read_artifact("out").sources["sdk_layout.csl"]
    assert text.count(".rx = .{ NORTH }, .tx = .{ RAMP }") == 3
    assert text.count(".switches = .{ .pos1 = .{ .tx = SOUTH } }") == 2
    assert text.count("@set_color_config(") == 3


def test_what_a_layout_does_wrong_is_named() -> None:
    layout = empty_layout()
    with pytest.raises(HostError, match="has no code region"):
        layout.compile("out")
    one, other = adder(layout, "one", 1), adder(layout, "other", 1)
    rx, tx = ports(one, Edge.LEFT, Edge.RIGHT)
    narrow, _ = ports(other, Edge.LEFT, Edge.RIGHT, size=3)
    with pytest.raises(HostError, match="one_tx sends 4 wavelets and port other_rx takes 3"):
        layout.connect(tx, narrow)
    with pytest.raises(HostError, match="connect an output port to an input port"):
        layout.connect(rx, narrow)
    name = layout.create_input_stream(rx)
    with pytest.raises(HostError, match="port one_rx is connected already"):
        layout.create_input_stream(rx)
    with pytest.raises(HostError, match="port one_tx is no input port"):
        layout.create_input_stream(tx)
    tall = adder(layout, "tall", 1, height=2)
    with pytest.raises(HostError, match="has 2 PEs, and a stream has one"):
        layout.create_input_stream(ports(tall, Edge.LEFT, Edge.RIGHT)[0])
    one.place(1, 1)
    other.place(1, 1)
    with pytest.raises(HostError, match="one and other overlap"):
        layout.compile("out")
    other.place(5, 5)
    one.set_param_all("amount", -1)
    with pytest.raises(WaferError, match="-1 does not fit u16"):
        layout.compile("out")
    with pytest.raises(HostError, match="there is no wafer at"):
        get_platform("10.0.0.1:9000")
    assert name == "one_rx"


def test_streams_are_used_in_their_direction_only() -> None:
    layout = empty_layout()
    rx, tx = ports(adder(layout, "one", 1), Edge.LEFT, Edge.RIGHT)
    to, back = layout.create_input_stream(rx), layout.create_output_stream(tx)
    runtime = SdkRuntime(layout.compile("out"))
    runtime.load()
    runtime.run()
    words = np.zeros(4, np.uint32)
    with pytest.raises(HostError, match="is an output of the wafer"):
        runtime.send(back, words)
    with pytest.raises(HostError, match="is an input of the wafer"):
        runtime.receive(to, words, 4)
    with pytest.raises(HostError, match="5 wavelets do not fit an array of 4"):
        runtime.receive(back, words, 5)
    with pytest.raises(HostError, match="has no stream 'absent'"):
        runtime.send("absent", words)
    with pytest.raises(RunError, match="at rest"):
        runtime.receive(back, words, 4)
