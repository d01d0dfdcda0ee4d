"""Control wavelets: what their payload says, and what a router's switch makes of it.

A payload holds eight commands, of which a router carries out the first. Command k is a string of
three bits, opcode and "not to the compute element"; the string starts at bit 22, goes on to bit
29 and from there with bits 0 to 15. Bits 16 to 21 are the entrypoint, the id of the control task
that it starts. All functions take integers or arrays of them.

Source: public programs of the vendor (csl-examples: 25-pt-stencil, cholesky, fft-1d-2d, topic-06
and 07), as put together in csl.md 8.3, 8.4 and 8.9. What moves up behind the last command is our
choice: a NOP that keeps the last command's bit, as fft-1d-2d on a long row needs it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.csl.core import PopMode

Bits = Any  # int or integer array

NO_ENTRYPOINT = 31

_OUTSIDE_QUEUE = 0xC03F0000
_LAST_SKIPS = 0x8000  # bit of the eighth command


class Command(IntEnum):
    """What a control wavelet tells a router."""

    NOP = 0
    ADVANCE = 1
    RESET = 2
    TEARDOWN = 3


def entrypoint(payload: Bits) -> Bits:
    """The id of the control task that the wavelet starts."""
    return (payload >> 16) & 63


def argument(payload: Bits) -> Bits:
    """The 16 bits that the control task is given."""
    return payload & 0xFFFF


def command(payload: Bits) -> Bits:
    """The opcode that the next router carries out."""
    return (payload >> 22) & 3


def skips_ramp(payload: Bits) -> Bits:
    """Whether the next router keeps the wavelet from its compute element: 0 or 1."""
    return (payload >> 24) & 1


def popped(payload: Bits) -> Bits:
    """The payload without its first command; the others move up by one."""
    queue = ((payload >> 22) & 0xFF) | (payload & 0xFFFF) << 8
    queue = queue >> 3 | (payload & _LAST_SKIPS) << 8
    return (payload & _OUTSIDE_QUEUE) | (queue & 0xFF) << 22 | (queue >> 8) & 0xFFFF


def next_position(position: Bits, valid: Bits, is_ring: Bits, opcode: Bits) -> Bits:
    """The switch position after a command. Bit k of `valid` says that position k exists."""
    return _NEXT[opcode, (valid >> 1) & 7, is_ring * 1, position]


def pops(mode: Bits, opcode: Bits, has_moved: Bits) -> Bits:
    """Whether a router drops the command that it carried out; `has_moved`: its switch did."""
    return _POPS[mode, opcode, has_moved * 1]


def masks(base: Bits, positions: tuple[Bits, Bits, Bits], position: Bits) -> Bits:
    """The directions of one side at a switch position.

    `positions` are the masks given at positions 1, 2 and 3, or 0; what a position does not give
    is that of the nearest before it.
    """
    result = base
    for place, given in enumerate(positions, start=1):
        holds = (position >= place) & (given != 0)
        result = given * holds + result * (1 - holds * 1)
    return result


def _next_table() -> NDArray[np.uint8]:
    table = np.zeros((len(Command), 8, 2, 4), np.uint8)  # [opcode, valid, ring, position]
    for valid in range(8):
        for ring in range(2):
            for position in range(4):
                later = [k for k in range(position + 1, 4) if valid >> (k - 1) & 1]
                last = 0 if ring else position
                table[:, valid, ring, position] = position
                table[Command.ADVANCE, valid, ring, position] = later[0] if later else last
                table[Command.RESET, valid, ring, position] = 0
    return table


def _pops_table() -> NDArray[np.bool_]:
    table = np.zeros((len(PopMode), len(Command), 2), np.bool_)  # [mode, opcode, moved]
    table[PopMode.ALWAYS_POP] = True
    table[PopMode.POP_ON_ADVANCE, :, 1] = True
    table[PopMode.POP_ON_ADVANCE_NOP, :, 1] = True
    table[PopMode.POP_ON_ADVANCE_NOP, Command.NOP] = True
    return table


_NEXT = _next_table()
_POPS = _pops_table()
