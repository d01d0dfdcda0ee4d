"""Registers of routes and switches: both ways, and writes that keep what they cannot say."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from waferc_runtime.builtins.registers import (
    SwitchBits,
    decode_routes,
    decode_switches,
    encode_routes,
    encode_switches,
    kept_switches,
)
from waferc_runtime.csl.core import EAST, NORTH, RAMP, SOUTH, WEST

ONE = st.sampled_from([EAST, WEST, NORTH, SOUTH, RAMP])
POSITION = st.tuples(st.booleans(), st.booleans(), ONE)  # exists, is an input, direction


def switch(positions: list[tuple[bool, bool, int]], position: int, ring: bool) -> SwitchBits:
    rx = [mask * (exists and is_input) for exists, is_input, mask in positions]
    tx = [mask * (exists and not is_input) for exists, is_input, mask in positions]
    valid = sum(exists << place for place, (exists, _, _) in enumerate(positions, start=1))
    inputs = sum(is_input << place for place, (_, is_input, _) in enumerate(positions, start=1))
    sides = (rx[0], rx[1], rx[2]), (tx[0], tx[1], tx[2])
    return SwitchBits(position, ring * 1, *sides, valid, inputs)


SWITCH = st.builds(
    switch, st.lists(POSITION, min_size=3, max_size=3), st.integers(0, 3), st.booleans()
)


@given(st.integers(0, 2**15 - 1))
def test_routes_are_their_register(value: int) -> None:
    assert encode_routes(decode_routes(value)) == value
    assert encode_routes(decode_routes(np.asarray([value]))).tolist() == [value]


@given(SWITCH)
def test_switches_are_their_register(bits: SwitchBits) -> None:
    assert decode_switches(encode_switches(bits)) == bits


@given(SWITCH, SWITCH)
def test_a_write_of_positions_that_it_can_say_is_the_value_written(
    before: SwitchBits, after: SwitchBits
) -> None:
    assert kept_switches(before, encode_switches(after)) == after


def test_a_write_keeps_positions_whose_bits_it_leaves() -> None:
    both = SwitchBits(2, 1, (RAMP, EAST, 0), (WEST, EAST | RAMP, 0), 0b0110)
    value = encode_switches(both)
    reset = kept_switches(both, value & ~(3 << 13))
    assert (reset.position, reset.rx, reset.tx) == (0, both.rx, both.tx)
    closed = kept_switches(both, value & ~15 | 5)
    assert (closed.rx[0], closed.tx[0], closed.valid) == (0, 0, 0b0100)
    assert (closed.rx[1], closed.tx[1]) == (EAST, EAST | RAMP)


def test_a_position_that_is_cleared_keeps_its_side() -> None:
    before = switch([(True, True, RAMP), (False, False, EAST), (False, False, EAST)], 0, True)
    cleared = kept_switches(before, encode_switches(before) & ~7 | 5)
    assert cleared.valid == 0
    again = kept_switches(cleared, encode_switches(cleared) & ~7 | 4)
    assert (again.rx, again.tx, again.valid) == ((RAMP, 0, 0), (0, 0, 0), 0b0010)
