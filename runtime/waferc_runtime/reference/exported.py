"""Symbols of a PE that the host or a debugger can see, and their elements in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.csl import core
from waferc_runtime.reference.evaluate import constant
from waferc_runtime.reference.memory import Address, decode, encode
from waferc_runtime.reference.state import State
from waferc_runtime.run_error import RunError


def export(state: State, symbol: str) -> core.Export:
    """What a PE exports under a name.

    Raises:
        RunError: it exports nothing of that name.
    """
    found = state.program.exports.get(symbol)
    if found is None:
        known = ", ".join(sorted(state.program.exports)) or "none"
        raise RunError(f"{state.name} exports no symbol {symbol}", help=f"it exports {known}")
    return found


def write(state: State, symbol: str, values: NDArray[Any]) -> None:
    """Copy elements [n] to where an exported symbol points.

    Raises:
        RunError: no such symbol, or it has fewer elements.
    """
    address, element = _exported(state, symbol)
    words = encode(np.ascontiguousarray(values), element)
    _slice(symbol, address, len(words))[:] = words


def read(state: State, symbol: str, n: int) -> NDArray[np.generic]:
    """The first `n` elements that an exported symbol points to.

    Behind the variable come others, as they lie in memory; zeros where none does.

    Raises:
        RunError: no such symbol, or the PE has less memory.
    """
    address, element = _exported(state, symbol)
    count = n * element.words
    if 0 <= address.word <= len(address.block.words) - count:
        return decode(address.block.words[address.word : address.word + count], element)
    first = address.block.object.address + address.word
    if first < 0 or 2 * (first + count) > state.machine.sram_bytes:
        raise RunError(
            f"{n:,} elements are copied at {symbol}, which end outside the memory of {state.name}"
        )
    words = np.zeros(count, np.uint16)
    for block in state.blocks.values():
        begin = block.object.address
        low, high = max(first, begin), min(first + count, begin + len(block.words))
        if low < high:
            words[low - first : high - first] = block.words[low - begin : high - begin]
    return decode(words, element)


def variable(state: State, name: str, element: core.Scalar | None) -> NDArray[np.generic]:
    """All elements of a global variable, by the debugger's name.

    Raises:
        RunError: the PE has none of that name.
    """
    found = state.program.symbols.get(name)
    if found is None:
        known = ", ".join(sorted(state.program.symbols)) or "none"
        raise RunError(f"{state.name} has no variable {name}", help=f"it has {known}")
    words = state.blocks[found].words
    kind = element or found.element
    return decode(words[: len(words) // kind.words * kind.words], kind)


def _exported(state: State, symbol: str) -> tuple[Address, core.Scalar]:
    match export(state, symbol).target:
        case core.MemoryObject() as item:
            return Address(state.blocks[item], 0), item.element
        case core.Slot(_, core.Pointer(element)) as slot:
            value = state.slots.get(slot)
            if isinstance(value, Address):
                return value, element
        case core.AddressOf(kind, item, core.Const() as index):
            first = int(constant(state, index))
            return Address(state.blocks[item], 0).moved(first, item.element), kind.target
        case _:
            pass
    raise RunError(f"{symbol} on {state.name} is no data in memory")


def _slice(symbol: str, address: Address, words: int) -> NDArray[np.uint16]:
    end = address.word + words
    if address.word < 0 or end > len(address.block.words):
        raise RunError(
            f"{words * 2:,} bytes are copied at {symbol},"
            f" which has {max(0, len(address.block.words) - address.word) * 2:,}"
        )
    return address.block.words[address.word : end]
