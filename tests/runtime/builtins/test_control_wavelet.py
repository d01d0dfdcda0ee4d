"""Payloads of control wavelets against a list of commands, and the switch rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waferc_runtime.builtins.control_wavelet import (
    Command,
    argument,
    command,
    entrypoint,
    masks,
    next_position,
    popped,
    pops,
    skips_ramp,
)
from waferc_runtime.csl.core import PopMode

COMMANDS = st.tuples(st.sampled_from(Command), st.booleans())


def payload(commands: list[tuple[Command, bool]], entry: int) -> int:
    """The payload of up to eight commands (opcode, not to the compute element)."""
    bits = entry << 16
    places = list(range(22, 30)) + list(range(16))
    for place, (opcode, skips) in enumerate(commands):
        string = opcode | skips << 2
        for offset in range(3):
            bits |= (string >> offset & 1) << places[3 * place + offset]
    return bits


@given(st.lists(COMMANDS, min_size=8, max_size=8), st.integers(0, 63))
def test_commands_come_out_one_by_one(commands: list[tuple[Command, bool]], entry: int) -> None:
    bits = payload(commands, entry)
    for opcode, skips in commands:
        assert (command(bits), skips_ramp(bits), entrypoint(bits)) == (opcode, skips, entry)
        bits = popped(bits)
    assert (command(bits), skips_ramp(bits)) == (Command.NOP, commands[-1][1])


def test_payloads_of_public_programs() -> None:
    assert payload([(Command.ADVANCE, True)], 31) == 0x015F0000
    all_nops = [(Command.NOP, True)] * 7
    assert payload([(Command.TEARDOWN, True), *all_nops], 31) == 0x09DF9249
    assert payload([(Command.ADVANCE, True), (Command.NOP, True)], 0) == 5 << 22 | 4 << 25
    assert argument(payload([(Command.ADVANCE, False)], 40) | 7) == 7


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=9))
def test_arrays_give_what_integers_give(values: list[int]) -> None:
    array = np.asarray(values, np.uint32)
    for function in (command, skips_ramp, entrypoint, popped, argument):
        assert function(array).tolist() == [function(value) for value in values]


@pytest.mark.parametrize(
    ("position", "valid", "ring", "opcode", "then"),
    [
        (0, 0b1110, False, Command.ADVANCE, 1),
        (1, 0b1010, False, Command.ADVANCE, 3),
        (3, 0b1110, False, Command.ADVANCE, 3),
        (3, 0b1110, True, Command.ADVANCE, 0),
        (0, 0, True, Command.ADVANCE, 0),
        (2, 0b1110, False, Command.RESET, 0),
        (2, 0b1110, True, Command.NOP, 2),
        (2, 0b1110, True, Command.TEARDOWN, 2),
    ],
)
def test_a_switch_moves_to_the_next_position_that_exists(
    position: int, valid: int, ring: bool, opcode: Command, then: int
) -> None:
    assert next_position(position, valid, ring, opcode) == then
    arrays = [np.asarray([item, item]) for item in (position, valid, ring, opcode)]
    assert next_position(*arrays).tolist() == [then, then]


def test_what_is_popped() -> None:
    assert not pops(PopMode.NO_POP, Command.ADVANCE, True)
    assert pops(PopMode.ALWAYS_POP, Command.TEARDOWN, False)
    assert pops(PopMode.POP_ON_ADVANCE, Command.ADVANCE, True)
    assert not pops(PopMode.POP_ON_ADVANCE, Command.NOP, False)
    assert pops(PopMode.POP_ON_ADVANCE_NOP, Command.NOP, False)
    assert not pops(PopMode.POP_ON_ADVANCE_NOP, Command.ADVANCE, False)


def test_positions_add_up_on_each_side() -> None:
    rx, tx = (0, 16, 0), (1, 0, 0)
    assert [masks(2, rx, k) for k in range(4)] == [2, 2, 16, 16]
    assert [masks(17, tx, k) for k in range(4)] == [17, 1, 1, 1]
    assert masks(np.asarray([2, 4]), rx, np.asarray([1, 3])).tolist() == [2, 16]
