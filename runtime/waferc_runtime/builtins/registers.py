"""Configuration registers of a PE, as `@get_config` and `@set_config` see them.

Word addresses and bits of routes and switches are those that public WSE-2 programs use
(csl-examples, spmv-hypersparse: allreduce2R1E), those of output queues what a WSE-3 program says
(sdk-examples, topic-16); all others are ours, and so is the use of one layout for both machines.
Engines refuse registers that they do not model. All functions take integers or arrays of them.

    ROUTES + color    0-4 tx W E S N ramp, 5-9 rx likewise, 10 swap y, 11 swap x, 12-13 pop mode,
                      14 torn down
    SWITCHES + color  0-3, 4-7, 8-11 positions 1, 2, 3 (3 bits of direction, and bit 3: it is the
                      input side; direction 5: no such position), 12 ring mode, 13-14 position
    PENDING, + 1      a bit for each color (0-15, 16-23) torn down by a wavelet and not handled yet
    PRIORITY, + 1     a bit for each task id (0-15, 16-31) of high priority; a control task has that
                      of the color (wse2) or input queue (wse3) it comes from
    MAIN_THREAD       priority among microthreads: 0 between low and medium, 1 medium, 2 between
                      medium and high, 3 high
    INPUT_FLUSHED     a bit for each input queue whose flush is over and not handled yet
    OUTPUT_FLUSHED    likewise for output queues
    INPUT_STATUS      bits 0-7 which input queues are empty, 8-15 which are full; read only
    OUTPUT_STATUS     likewise for output queues
    EXCEPTIONS        a bit for each kind that is masked; nothing stops a PE here
    OUTPUT_QUEUE + q  4-8 color of the output queue (wse3)
    INPUT_QUEUE + q   4-8 color of the input queue, 9 filters of the color apply
    CONTROL_MASK      what `control_transform` does to the index of control wavelets
    FILTER_LIMIT + c  of the filter of color c: counter limit, and so on
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from waferc_runtime.csl.core import EAST, NORTH, RAMP, SOUTH, SWAP_X, SWAP_Y, WEST

ROUTES = 0x7F20
SWITCHES = 0x7F40
PENDING = 0x7F60
PRIORITY = 0x7F62
MAIN_THREAD = 0x7F64
INPUT_FLUSHED = 0x7F65
OUTPUT_FLUSHED = 0x7F66
INPUT_STATUS = 0x7F67
OUTPUT_STATUS = 0x7F68
EXCEPTIONS = 0x7F69
CONTROL_MASK = 0x7F6A
FILTER_LIMIT = 0x7F80
FILTER_MAX = 0x7FA0
FILTER_COUNTER = 0x7FC0
OUTPUT_QUEUE = 0x7B80
INPUT_QUEUE = 0x7B90
COLORS = 24

_DIRECTIONS = (WEST, EAST, SOUTH, NORTH, RAMP)  # by code
_INVALID = 5

Bits = Any  # int or integer array


@dataclass(frozen=True, slots=True)
class RouteBits:
    """What a ROUTES register holds; masks as in `csl.core`."""

    rx: Bits
    tx: Bits
    swap: Bits
    pop: Bits
    is_torn_down: Bits


@dataclass(frozen=True, slots=True)
class SwitchBits:
    """What a SWITCHES register holds; `rx[k - 1]`, `tx[k - 1]` are masks of position k, or 0.

    `inputs` keeps the bits "it is the input side" where they say nothing by themselves, as no
    such position exists: programs clear a position and set it again without them.
    """

    position: Bits
    is_ring: Bits
    rx: tuple[Bits, Bits, Bits]
    tx: tuple[Bits, Bits, Bits]
    valid: Bits  # bit k: position k exists
    inputs: Bits = 0  # bit k: position k is on the input side


def decode_routes(value: Bits) -> RouteBits:
    """The fields of a ROUTES register."""
    return RouteBits(
        rx=sum(((value >> (5 + code)) & 1) * mask for code, mask in enumerate(_DIRECTIONS)),
        tx=sum(((value >> code) & 1) * mask for code, mask in enumerate(_DIRECTIONS)),
        swap=((value >> 10) & 1) * SWAP_Y | ((value >> 11) & 1) * SWAP_X,
        pop=(value >> 12) & 3,
        is_torn_down=(value >> 14) & 1,
    )


def encode_routes(fields: RouteBits) -> Bits:
    """The inverse of `decode_routes`."""
    value = (fields.pop & 3) << 12 | (fields.is_torn_down & 1) << 14
    value = value | _has(fields.swap, SWAP_Y) << 10 | _has(fields.swap, SWAP_X) << 11
    for code, mask in enumerate(_DIRECTIONS):
        value = value | _has(fields.tx, mask) << code | _has(fields.rx, mask) << (5 + code)
    return value


def decode_switches(value: Bits) -> SwitchBits:
    """The fields of a SWITCHES register."""
    rx: list[Bits] = []
    tx: list[Bits] = []
    valid: Bits = 0
    inputs: Bits = 0
    for place in range(3):
        nibble = (value >> (4 * place)) & 15
        code, is_input = nibble & 7, nibble >> 3
        mask = sum((code == number) * mask for number, mask in enumerate(_DIRECTIONS))
        rx.append(mask * is_input)
        tx.append(mask * (1 - is_input))
        valid = valid | (code < _INVALID) * (2 << place)
        inputs = inputs | is_input << (place + 1)
    position, ring = (value >> 13) & 3, (value >> 12) & 1
    return SwitchBits(position, ring, (rx[0], rx[1], rx[2]), (tx[0], tx[1], tx[2]), valid, inputs)


def encode_switches(fields: SwitchBits) -> Bits:
    """The inverse of `decode_switches`, for positions that give one direction on one side."""
    value = (fields.position & 3) << 13 | (fields.is_ring & 1) << 12
    for place in range(3):
        rx, tx = fields.rx[place], fields.tx[place]
        exists = (fields.valid >> (place + 1)) & 1
        code = sum(_has(rx | tx, mask) * number for number, mask in enumerate(_DIRECTIONS))
        is_input = _nonzero(rx) | (fields.inputs >> (place + 1)) & 1
        nibble = code * exists | _INVALID * (1 - exists) | is_input << 3
        value = value | nibble << (4 * place)
    return value


def kept_switches(before: SwitchBits, value: Bits) -> SwitchBits:
    """The switch behind a write of `value` into its SWITCHES register.

    The register has no bits for positions that give both sides or several directions: a position
    whose bits the write leaves as they are keeps what the layout gave it.
    """
    after, was = decode_switches(value), encode_switches(before)
    rx: list[Bits] = []
    tx: list[Bits] = []
    valid: Bits = 0
    for place in range(3):
        is_same = (((value ^ was) >> (4 * place)) & 15 == 0) * 1
        is_new = 1 - is_same
        rx.append(before.rx[place] * is_same + after.rx[place] * is_new)
        tx.append(before.tx[place] * is_same + after.tx[place] * is_new)
        valid = valid | (before.valid * is_same + after.valid * is_new) & (2 << place)
    sides = (rx[0], rx[1], rx[2]), (tx[0], tx[1], tx[2])
    return SwitchBits(after.position, after.is_ring, *sides, valid, after.inputs)


def _has(mask: Bits, bit: int) -> Bits:
    return _nonzero(mask & bit)


def _nonzero(mask: Bits) -> Bits:
    return (mask != 0) * 1
