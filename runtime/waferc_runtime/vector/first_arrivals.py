"""When the next unread word of each column arrives, kept until that changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from waferc_runtime.vector.channel import Times
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.state import NEVER


class FirstArrivals:
    """One cycle per column, NEVER where no word is on its way. Column -1 never has one."""

    def __init__(self, columns: int) -> None:
        self._since = np.full(columns + 1, NEVER, np.int64)
        self._is_stale = np.zeros(columns + 1, np.bool_)
        self._has_stale = False

    def add_columns(self, count: int) -> None:
        """Have so many columns more."""
        self._since = np.pad(self._since, (0, count), constant_values=NEVER)
        self._is_stale = np.pad(self._is_stale, (0, count))

    def forget(self, columns: Indices) -> None:
        """Words were put there, or taken."""
        self._is_stale[columns] = True
        self._has_stale = True

    def of(self, columns: Indices, look_up: Callable[[Indices], Times]) -> Times:
        """The cycles of these columns, a new array; `look_up` tells those that changed."""
        if self._has_stale:
            stale = np.flatnonzero(self._is_stale)
            self._since[stale] = look_up(stale)
            self._is_stale[stale] = False
            self._has_stale = False
        return self._since[columns]
