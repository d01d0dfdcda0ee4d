"""Reading what a PE recorded with `<debug>`; `library/debug.csl` says how records look."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.csl.libraries import STRINGS
from waferc_runtime.host.engines import Engine

TraceValue = bool | int | float | str
_FULL = 0x8000  # in the count of words: a record did not fit

# how many words follow, and the value of the low byte of the head (or of those words, lowest first)
_TAGS: Mapping[int, tuple[int, Callable[[bytes], Any]]] = MappingProxyType(
    {
        1: (0, lambda raw: bool(raw[0])),
        2: (0, lambda raw: raw[0]),
        3: (0, lambda raw: struct.unpack("<b", raw)[0]),
        4: (1, lambda raw: struct.unpack("<H", raw)[0]),
        5: (1, lambda raw: struct.unpack("<h", raw)[0]),
        6: (1, lambda raw: struct.unpack("<e", raw)[0]),
        7: (2, lambda raw: struct.unpack("<I", raw)[0]),
        8: (2, lambda raw: struct.unpack("<i", raw)[0]),
        9: (2, lambda raw: struct.unpack("<f", raw)[0]),
        11: (3, lambda raw: int.from_bytes(raw, "little")),
    }
)
_STRING = 10


def read_trace(engine: Engine, x: int, y: int, key: str) -> list[TraceValue]:
    """What PE (x, y) of the program's rectangle recorded under `key`, in order.

    Strings are texts, timestamps integers (cycles).

    Raises:
        RunError: there is no such PE, or it has no trace of that key.
    """
    used = int(engine.symbol(x, y, f"debug.{key}.used")[0]) & ~_FULL
    words = np.asarray(engine.symbol(x, y, f"debug.{key}.buffer"), np.uint16)[:used]
    values: list[TraceValue] = []
    place = 0
    while place < used:
        tag, low = divmod(int(words[place]), 256)
        count, decode = (1, None) if tag == _STRING else _TAGS[tag]
        raw = words[place + 1 : place + 1 + count].astype("<u2").tobytes() or bytes([low])
        place += 1 + count
        if decode is None:
            values.append(_strings(engine.symbol(x, y, STRINGS))[int.from_bytes(raw, "little")])
        else:
            values.append(decode(raw))
    return values


def _strings(words: NDArray[Any]) -> list[str]:
    text = np.asarray(words, "<u2").tobytes().decode("latin-1")
    return text.split("\0")
