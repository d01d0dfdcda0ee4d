from __future__ import annotations

from tests.runtime.csl.programs import build

from waferc_runtime.builtins import registers
from waferc_runtime.csl import core
from waferc_runtime.csl.parse import parse
from waferc_runtime.csl.search import library_text
from waferc_runtime.csl.syntax import Integer, VariableDecl

IMPORT = 'const tc = @import_module("<tile_config>");'


def writes(body: str, top: str = "") -> list[core.SetConfig]:
    """What `body` writes into registers, in the order of functions."""
    pe = f"""{IMPORT}
{top}
fn main() void {{ {body} sys_mod.unblock_cmd_stream(); }}
comptime {{ @export_symbol(main); }}
"""
    program = build(pe, exports='@export_name("main", fn()void);')
    statements = [s for f in program.classes[0].functions for s in f.body]
    return [s for s in statements if isinstance(s, core.SetConfig)]


def address(write: core.SetConfig) -> int:
    assert isinstance(write.address, core.Const)
    return int(write.address.value)


def test_addresses_are_those_of_the_engines() -> None:
    text = library_text("<tile_config/addresses>")
    assert text is not None
    for decl in parse(text, "addresses").declarations:
        assert isinstance(decl, VariableDecl)
        assert isinstance(decl.value, Integer)
        assert decl.value.value == vars(registers)[decl.name]


def test_a_known_color_leads_to_a_known_register() -> None:
    body = """
      const addr = tc.color_config.get_color_config_addr(@get_color(3));
      tc.color_config.reset_routes(addr, .{ .tx = EAST, .rx = WEST });
      tc.switch_config.set_rx_switch_pos1(@get_color(3), RAMP);
      tc.teardown.exit(@get_color(4));
    """
    assert [address(write) for write in writes(body)] == [
        registers.ROUTES + 3,
        registers.ROUTES + 4,
        registers.SWITCHES + 3,
    ]


def test_a_color_known_at_run_time_only_will_do() -> None:
    body = "tc.color_config.set_io_direction(c, tc.color_config.fabric_io.TX_RAMP);"
    (write,) = writes(body, "var c: color = @get_color(5);")
    assert not isinstance(write.address, core.Const)


def test_priorities_set_at_compile_time_hold_from_the_start() -> None:
    pe = f"""{IMPORT}
const first: local_task_id = @get_local_task_id(12);
const second: local_task_id = @get_local_task_id(13);
task a() void {{}}
task b() void {{}}
comptime {{
  @bind_local_task(a, first);
  @bind_local_task(b, second);
  tc.task_priority.set_task_priority(first);
  tc.task_priority.set_task_priority(second);
  tc.task_priority.update_task_priority(second, tc.task_priority.level.LOW);
}}
"""
    assert build(pe).classes[0].high_priority == {12}
