"""What has changed on channels, and for which PEs, until somebody looks."""

from __future__ import annotations

import numpy as np

from waferc_runtime.vector.lanes import Indices


class News:
    """Channels on which something has changed; PEs for which it has, None: for any."""

    def __init__(self) -> None:
        self._where: dict[int, list[Indices] | None] = {}

    def __bool__(self) -> bool:
        return bool(self._where)

    def add(self, color: int, pes: Indices | None) -> None:
        """Something has changed on a channel for some PEs."""
        if pes is not None and not len(pes):
            return
        known = self._where.setdefault(color, [])
        if pes is None:
            self._where[color] = None
        elif known is not None:
            known.append(pes)

    def take(self) -> tuple[int, Indices | None]:
        """The channel that has been told of first, and the PEs in ascending order."""
        color = next(iter(self._where))
        parts = self._where.pop(color)
        return color, None if parts is None else sorted_pes(parts)


def sorted_pes(parts: list[Indices]) -> Indices:
    """The PEs of all parts once, in ascending order."""
    if len(parts) == 1:
        only = parts[0]
        if len(only) < 2 or (only[1:] > only[:-1]).all():
            return only
    whole = np.sort(np.concatenate(parts))  # which is faster than np.unique
    return whole[np.append(True, whole[1:] != whole[:-1])] if len(whole) else whole
