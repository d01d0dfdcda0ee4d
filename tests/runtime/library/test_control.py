from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.runtime.csl.programs import compute

from waferc_runtime.builtins import control_wavelet as cw

TOP = 'const ctrl = @import_module("<control>");'
OPCODES = ("NOP", "SWITCH_ADV", "SWITCH_RST", "TEARDOWN")


def payload(call: str) -> int:
    return compute(f"out[0] = {call};", dtype="u32", top=TOP)[0]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=8),
    st.booleans(),
    st.none() | st.integers(0, 63),
)
def test_a_payload_says_to_routers_what_was_encoded(
    commands: list[tuple[int, bool]], ignore_rest: bool, entry: int | None
) -> None:
    cmds = ", ".join(f"ctrl.opcode.{OPCODES[op]}" for op, _ in commands)
    skips = ", ".join(str(skip).lower() for _, skip in commands)
    n = len(commands)
    target = "{}" if entry is None else f"@get_control_task_id({entry})"
    word = payload(
        f"ctrl.encode_payload({n}, [{n}]ctrl.opcode{{ {cmds} }}, [{n}]bool{{ {skips} }},"
        f" {str(ignore_rest).lower()}, {target})"
    )
    assert cw.entrypoint(word) == (cw.NO_ENTRYPOINT if entry is None else entry)
    for op, skip in commands + [(0, ignore_rest)] * (8 - n):
        assert (cw.command(word), cw.skips_ramp(word)) == (op, skip)
        word = cw.popped(word)


@given(st.integers(0, 3), st.booleans(), st.integers(0, 63), st.integers(0, 65535))
def test_one_command_leaves_room_for_an_argument(
    op: int, skip: bool, entry: int, data: int
) -> None:
    word = payload(
        f"ctrl.encode_single_payload(ctrl.opcode.{OPCODES[op]}, {str(skip).lower()},"
        f" @get_control_task_id({entry}), {data})"
    )
    assert (cw.command(word), cw.skips_ramp(word)) == (op, skip)
    assert (cw.entrypoint(word), cw.argument(word)) == (entry, data)


def test_payloads_are_those_of_public_programs() -> None:
    def single(op: str) -> int:
        return payload(f"ctrl.encode_single_payload(ctrl.opcode.{op}, true, {{}}, 0)")

    assert (single("SWITCH_ADV"), single("TEARDOWN")) == (0x015F0000, 0x01DF0000)
    assert payload("ctrl.encode_control_task_payload(@get_control_task_id(40))") == 40 << 16
    top = 'const sw = @import_module("<memcpy/memcpy_switches>");'
    body = "out[0] = sw.ctrl(sw.teardown_cmd_1()); out[1] = sw.ctrl(sw.switch_cmd_11());"
    teardown, advance = compute(body, dtype="u32", count=2, top=top)
    assert teardown == 0x09DF9249
    assert [cw.command(advance), cw.command(cw.popped(advance))] == [1, 1]
