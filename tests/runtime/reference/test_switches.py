"""Switches, control wavelets, teardown, filters and swap, in CSL, with what routers did."""

from __future__ import annotations

import pytest
from tests.runtime.reference.csl_programs import engine_for, out, run

from waferc_runtime.observer import WaveletEvent
from waferc_runtime.run_error import RunError

ROUTES = "@set_color_config(px, py, @get_color(4), {});"


def by_column(*configs: str) -> str:
    """A color configuration for each column of PEs."""
    return "".join(
        f"if (px == {x}) {{ {ROUTES.format(config)} }}" for x, config in enumerate(configs)
    )


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
def test_a_switch_turns_behind_the_wavelet_that_tells_it_to(arch: str) -> None:
    # the middle of three sends west, then east, then, in ring mode, west again
    configs = by_column(
        ".{ .routes = .{ .rx = .{ EAST }, .tx = .{ RAMP } } }",
        """.{ .routes = .{ .rx = .{ RAMP }, .tx = .{ WEST } },
              .switches = .{ .pos1 = .{ .tx = EAST }, .ring_mode = true } }""",
        ".{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP } } }",
    )
    pe = """
fn main() void {
  if (px == 1) {
    const turn = control.encode_single_payload(control.opcode.SWITCH_ADV, true, {}, 0);
    send(2, 10); command(turn); send(3, 20); command(turn); send(1, 30);
  } else { receive(3); }
  sys_mod.unblock_cmd_stream();
}
"""
    engine = run(pe, arch=arch, width=3, configs=configs)
    assert out(engine, 0, 0, 3) == [10, 11, 30]
    assert out(engine, 2, 0, 3) == [20, 21, 22]


RELAY = by_column(
    ".{ .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST } } }",
    *[
        """.{ .routes = .{ .rx = .{ WEST }, .tx = .{ EAST } },
              .switches = .{ .pos1 = .{ .rx = RAMP }, .pop_mode = .{ .pop_on_advance = true } } }"""
    ]
    * 2,
    ".{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP } } }",
)


def test_senders_take_turns_and_words_wait_for_theirs() -> None:
    # all begin at once: the words of PE 2 wait at its ramp until the command of PE 1 has come
    pe = """
fn main() void {
  if (px == 3) { receive(6); }
  else {
    send(2, @as(u32, px) * 10);
    const commands = [1]control.opcode { control.opcode.SWITCH_ADV };
    command(control.encode_payload(1, commands, [1]bool { true }, true, {}));
  }
  sys_mod.unblock_cmd_stream();
}
"""
    engine, notes = engine_for(pe, width=4, configs=RELAY)
    engine.launch("main")
    assert out(engine, 3, 0, 6) == [0, 1, 10, 11, 20, 21]
    told = [e for e in notes.events if isinstance(e, WaveletEvent) and e.is_control]
    # whoever advances pops the command, so that it moves the next PE's switch and no other
    advances = [(e.x, e.direction) for e in told if e.bits >> 22 & 7 == 0b101]
    assert advances == [(0, "E"), (1, "E"), (2, "E")]


def test_words_that_a_switch_does_not_accept_are_told() -> None:
    pe = """
fn main() void {
  if (px == 3) { receive(4); }
  else { if (px != 1) { send(2, 0); } }
  sys_mod.unblock_cmd_stream();
}
"""
    engine, _ = engine_for(pe, width=4, configs=RELAY)
    with pytest.raises(RunError) as caught:
        engine.launch("main")
    text = str(caught.value)
    assert "for color 4 (2 of 4 done)" in text
    assert "2 wavelets lie in the router of PE (2, 0), from the ramp on color 4" in text
    assert "which the router does not accept at position 0" in text


@pytest.mark.parametrize(("pop", "taker"), [("no_pop", 1), ("always_pop", 2)])
def test_pop_modes_say_how_far_a_command_goes(pop: str, taker: int) -> None:
    # an advance goes to all routers, or to that of the sender alone
    middle = f""".{{ .routes = .{{ .rx = .{{ WEST }}, .tx = .{{ EAST }} }},
        .switches = .{{ .pos1 = .{{ .tx = RAMP }}, .pop_mode = .{{ .{pop} = true }} }} }}"""
    first = middle.replace("tx = RAMP", "tx = EAST").replace("rx = .{ WEST", "rx = .{ RAMP")
    configs = by_column(first, middle, ".{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP } } }")
    pe = """
fn main() void {
  if (px == 0) {
    const commands = [1]control.opcode { control.opcode.SWITCH_ADV };
    command(control.encode_payload(1, commands, [1]bool { true }, true, {}));
    send(4, 7);
  }
  if (px == TAKER) { receive(4); }
  sys_mod.unblock_cmd_stream();
}
"""
    engine = run(pe.replace("TAKER", str(taker)), width=3, configs=configs)
    assert out(engine, taker, 0, 4) == [7, 8, 9, 10]


def test_the_last_word_may_advance_the_senders_own_switch() -> None:
    configs = by_column(
        ".{ .routes = .{ .rx = .{ EAST }, .tx = .{ RAMP } } }",
        """.{ .routes = .{ .rx = .{ RAMP }, .tx = .{ WEST } },
              .switches = .{ .pos1 = .{ .tx = EAST } } }""",
        ".{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP } } }",
    )
    pe = """
const flipping = @get_dsd(fabout_dsd, .{
  .extent = 2, .output_queue = oq, .fabric_color = c, .advance_switch = true });
fn main() void {
  if (px == 1) { send(1, 1); @mov32(flipping, @set_dsd_length(sent, 2)); send(2, 5); }
  if (px == 0) { receive(3); }
  if (px == 2) { receive(2); }
  sys_mod.unblock_cmd_stream();
}
"""
    engine = run(pe, width=3, configs=configs)
    assert out(engine, 0, 0, 3) == [1, 1, 0]
    assert out(engine, 2, 0, 2) == [5, 6]


TORN = by_column(
    ".{ .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST } } }",
    ".{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP } }, .teardown = true }",
    ".{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP } } }",
)
TEARDOWN = """
const tile = @import_module("<tile_config>");
fn main() void {
  if (px == 0) {
    send(2, 1);
    command(control.encode_single_payload(control.opcode.TEARDOWN, true, {}, 0));
    send(2, 5);
  }
  if (px == 1) { START }
  if (px == 2) { receive(2); }
  sys_mod.unblock_cmd_stream();
}
fn opened() void { @block(@get_local_task_id(0)); }
fn handle() void {
  out[9] += 1;
  if (px == 1) {
    const place = tile.color_config.get_color_config_addr(c);
    tile.color_config.reset_routes(place, .{ .rx = WEST, .tx = EAST });
  }
  tile.teardown.exit(c);
}
comptime { @set_teardown_handler(handle, c); }
"""


def test_a_torn_down_color_holds_its_words_and_goes_on_with_new_routes() -> None:
    start = "tile.teardown.exit(c); receive(2);"
    engine, notes = engine_for(TEARDOWN.replace("START", start), width=3, configs=TORN)
    engine.launch("main")
    assert out(engine, 1, 0, 2) == [1, 2]
    assert out(engine, 2, 0, 2) == [5, 6]
    assert [out(engine, x, 0, 10)[9] for x in range(3)] == [1, 1, 0]
    words = [e for e in notes.events if isinstance(e, WaveletEvent) and not e.is_control]
    assert [e.bits for e in words if (e.x, e.direction) == (1, "E")] == [5, 6]


def test_words_before_a_torn_down_router_are_told() -> None:
    engine, _ = engine_for(TEARDOWN.replace("START", "receive(2);"), width=3, configs=TORN)
    with pytest.raises(RunError) as caught:
        engine.launch("main")
    text = str(caught.value)
    assert "2 wavelets lie in the router of PE (1, 0), from the west on color 4" in text
    assert "which is torn down there" in text


def filtered(settings: str, pe: str) -> list[list[int]]:
    """What PEs 1 and 2 keep of a stream of PE 0, which passes both."""
    middle = ".{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP, EAST } }, .filter = .{ %s } }"
    configs = by_column(
        ".{ .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST } } }",
        middle % settings,
        (middle % settings).replace("RAMP, EAST", "RAMP"),
    )
    engine = run(pe, width=3, configs=configs)
    return [out(engine, x, 0, 4) for x in (1, 2)]


def test_a_range_filter_keeps_words_by_their_high_half() -> None:
    pe = """
fn main() void {
  if (px == 0) { send(2, 0x10005); send(2, 0x20006); send(2, 0x30007); send(2, 0x10009); }
  else { receive(if (px == 1) 4 else 2); }
  sys_mod.unblock_cmd_stream();
}
"""
    settings = ".kind = .{ .range = true }, .min_idx = px, .max_idx = px"
    first, second = filtered(settings, pe)
    assert first == [0x10005, 0x10006, 0x10009, 0x1000A]
    assert second == [0x20006, 0x20007, 0, 0]


def test_a_counter_filter_keeps_the_first_words_of_each_period() -> None:
    pe = """
fn main() void {
  if (px == 0) { send(12, 0); } else { receive(4); }
  sys_mod.unblock_cmd_stream();
}
"""
    settings = """.kind = .{ .counter = true }, .count_data = true, .limit1 = 5, .max_counter = 1,
        .init_counter = 2 * px - 2"""
    assert filtered(settings, pe) == [[0, 1, 6, 7], [4, 5, 10, 11]]


def test_colors_swap_at_each_link() -> None:
    # words of colors 4 and 5 change places on each PE they reach
    configs = "".join(
        f"""@set_color_config(px, py, @get_color({color}), .{{ .routes = .{{ .rx = RX, .tx = TX,
            .color_swap_x = true }} }});"""
        for color in (4, 5)
    )
    configs = "const rx = if (px == 0) RAMP else WEST;" + configs.replace("RX", ".{ rx }").replace(
        "TX", "if (px == 2) .{ RAMP } else .{ RAMP, EAST }"
    )
    pe = """
const other = @get_color(5);
const iq5 = @get_input_queue(4);
fn from_other(word: u32) void { }
task odd(word: u32) void { out[0] = word; }
task even(word: u32) void { out[1] = word; }
comptime {
  @bind_data_task(even, @get_data_task_id(c));
  @bind_data_task(odd, @get_data_task_id(other));
  @initialize_queue(iq5, .{ .color = other });
}
fn main() void { if (px == 0) { send(1, 77); } sys_mod.unblock_cmd_stream(); }
"""
    engine = run(pe, width=3, configs=configs)
    assert [out(engine, x, 0, 2) for x in range(3)] == [[0, 77], [77, 0], [0, 77]]


def test_two_words_of_a_color_that_come_at_once_are_an_error() -> None:
    configs = by_column(
        ".{ .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST } } }",
        ".{ .routes = .{ .rx = .{ WEST, EAST }, .tx = .{ RAMP } } }",
        ".{ .routes = .{ .rx = .{ RAMP }, .tx = .{ WEST } } }",
    )
    pe = """
fn main() void {
  if (px == 1) { receive(2); }
  else { LATER send(1, @as(u32, px)); }
  sys_mod.unblock_cmd_stream();
}
"""
    engine, _ = engine_for(pe.replace("LATER", ""), width=3, configs=configs)
    with pytest.raises(RunError, match=r"color 4 meets another in the router of PE \(1, 0\)") as e:
        engine.launch("main")
    assert "they come from east and west in one cycle" in str(e.value)
    assert "at cycle" in str(e.value)
    engine = run(pe.replace("LATER", "if (px == 2) { out[1] = 1; }"), width=3, configs=configs)
    assert out(engine, 1, 0, 2) == [0, 2]


def test_the_teardown_task_asks_which_colors_are_pending() -> None:
    pe = """
const tile = @import_module("<tile_config>");
const two = @get_dsd(fabin_dsd, .{ .extent = 2, .input_queue = iq, .fabric_color = c });
task torn() void {
  const pending = tile.teardown.get_pending();
  out[20] += 1;
  if (tile.teardown.is_pending(pending, c)) { out[21] += 1; }
  if (tile.teardown.is_pending(pending, @get_color(5))) { out[22] += 1; }
  tile.teardown.exit(c);
  if (tile.teardown.is_pending(tile.teardown.get_pending(), c)) { out[23] += 1; }
}
comptime { @bind_local_task(torn, tile.teardown.get_task_id()); }
fn main() void {
  if (px == 0) {
    command(control.encode_single_payload(control.opcode.TEARDOWN, true, {}, 0));
    send(2, 1);
  }
  // the task could not run while the main thread waits
  if (px == 2) { @mov32(@set_dsd_length(got, 2), two, .{ .async = true }); }
  sys_mod.unblock_cmd_stream();
}
"""
    middle = ".{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP, EAST } } }"
    configs = by_column(
        ".{ .routes = .{ .rx = .{ RAMP }, .tx = .{ EAST } } }",
        middle,
        middle.replace("RAMP, EAST", "RAMP"),
    )
    engine = run(pe, width=3, configs=configs)
    assert out(engine, 2, 0, 2) == [1, 2]
    assert [out(engine, x, 0, 24)[20:] for x in range(3)] == [[1, 1, 0, 0]] * 3
