"""What comes of the elements that an operation on the fabric processes: memory, words, sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from waferc_runtime.builtins.dsd import Compute
from waferc_runtime.vector.access import Access
from waferc_runtime.vector.channel import Words
from waferc_runtime.vector.elementwise import apply
from waferc_runtime.vector.forgetful import is_computed, is_known
from waferc_runtime.vector.indexed import Indexed, apply_indexed, read
from waferc_runtime.vector.lanes import Indices, Lanes
from waferc_runtime.vector.ports import (
    Captured,
    Dest,
    Port,
    Running,
    pack,
    part_of,
)
from waferc_runtime.vector.stream import no_words
from waferc_runtime.vector.unknown import UNKNOWN, NeedsData

Send = Callable[[Port, Words], None]


def write(
    dest: Dest,
    compute: Compute,
    chosen: Indices,
    done: int,
    count: int,
    lanes: Lanes,
    values: Sequence[Any],
    send: Send,
) -> None:
    """Compute elements `done` to `done + count` on the PEs at `chosen`, on `lanes`."""
    if isinstance(dest, Access | Indexed):
        part = part_of(dest, chosen, done, count, has_data=True)
        if isinstance(part, Access) and not any(isinstance(v, Indexed) for v in values):
            apply(compute, part, values, lanes)
        else:
            apply_indexed(compute, part, values, lanes, count)
        return
    arrays = [read(value, lanes) for value in values]
    match dest:
        case Port():
            result = compute(*arrays)
            if result.shape != (count, len(chosen)):
                result = np.broadcast_to(result, (count, len(chosen)))
            index = dest.index
            index = index[chosen] if isinstance(index, np.ndarray) else index
            send(dest, pack(result, dest.element, dest.per_word, index))
        case Running():
            dest.take_in(compute, chosen, count, lanes, list(values))
        case Captured(received):
            received[chosen] = arrays[0][0]
        case None:
            compute(*arrays)


def leave(
    dest: Dest,
    compute: Compute,
    chosen: Indices,
    done: int,
    count: int,
    lanes: Lanes,
    values: Sequence[Any],
    send: Send,
) -> None:
    """What a run without data leaves behind: words of no value, memory that is not known."""
    match dest:
        case Port():
            known = all(map(is_known, values))
            if known and dest.stream.has_data:
                write(dest, compute, chosen, done, count, lanes, values, send)
                return
            if dest.sends_control:
                raise NeedsData("what a control wavelet says")
            send(dest, no_words(-(-count // dest.per_word), len(chosen)))
        case Access() | Indexed():
            part_of(dest, chosen, done, count, has_data=False)
            is_computed(dest if isinstance(dest, Access) else dest.access, [UNKNOWN], lanes)
        case Running(place):
            is_computed(place, [UNKNOWN], lanes)
        case Captured():
            raise NeedsData
        case None:
            pass
