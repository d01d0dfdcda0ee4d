"""What asynchronous operations hold while they are at work: microthreads, queues, DSRs.

Of two operations in progress none may use a microthread or a DSR of the other; on wse2 no queue
either, on wse3 none unless the program names the microthreads of both (csl.md 7.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.vector.lanes import Lanes
from waferc_runtime.vector.unknown import Misuse

Key = tuple[str, int | str]


@dataclass(frozen=True, slots=True)
class Holdings:
    """What an operation uses. `is_named`: the program names its microthread."""

    queues: frozenset[Key] = frozenset()
    registers: frozenset[Key] = frozenset()
    is_named: bool = False


NOTHING = Holdings()


class Occupancy:
    """What is held on each PE of a class."""

    def __init__(self, pes: int) -> None:
        self._pes = pes
        self._held: dict[object, NDArray[np.bool_]] = {}  # [pe]
        self._until: dict[int, NDArray[np.int64]] = {}  # microthread: end of what is in memory

    def check(self, name: str, uses: Holdings, lanes: Lanes) -> None:
        """Refuse an operation that meets another in its queues or DSRs.

        Raises:
            Misuse: one of them is in use.
        """
        if not self._held:
            return
        for side, queue in sorted(uses.queues):
            names = [(side, queue, False), *([] if uses.is_named else [(side, queue, True)])]
            if any(self._is_held(key, lanes) for key in names):
                raise Misuse(
                    f"{name} uses {side} queue {queue},"
                    " with which another operation is still at work,"
                )
        for key in sorted(uses.registers):
            self.check_register(key, lanes)

    def check_register(self, key: Key, lanes: Lanes) -> None:
        """Refuse the use of a DSR that an operation in progress uses.

        Raises:
            Misuse: it is in use.
        """
        if self._held and self._is_held(key, lanes):
            raise Misuse(
                f"DSR {key[0]} {key[1]} is used, with which an operation is still at work,"
            )

    def take(
        self,
        name: str,
        microthread: int,
        uses: Holdings,
        lanes: Lanes,
        cycles: NDArray[np.int64],
    ) -> None:
        """Begin an asynchronous operation at `cycles` [lane].

        Raises:
            Misuse: its microthread, a queue or a DSR is in use.
        """
        until = self._until.get(microthread)
        is_late = until is not None and bool((until[lanes.index] > cycles).any())
        if is_late or self._is_held(microthread, lanes):
            raise Misuse(f"{name} starts on microthread {microthread}, which is still at work,")
        self.check(name, uses, lanes)
        for key in (microthread, *_keys(uses)):
            if key not in self._held:
                self._held[key] = np.zeros(self._pes, np.bool_)
            self._held[key][lanes.index] = True

    def release(self, microthread: int, uses: Holdings, lanes: Lanes) -> None:
        """End an asynchronous operation."""
        for key in (microthread, *_keys(uses)):
            self._held[key][lanes.index] = False

    def hold_until(self, microthread: int, lanes: Lanes, cycles: NDArray[np.int64]) -> None:
        """Hold a microthread until `cycles` [lane]."""
        if microthread not in self._until:
            self._until[microthread] = np.zeros(self._pes, np.int64)
        self._until[microthread][lanes.index] = cycles

    def _is_held(self, key: object, lanes: Lanes) -> bool:
        held = self._held.get(key)
        return held is not None and bool(held[lanes.index].any())


def _keys(uses: Holdings) -> list[object]:
    queues = [(side, queue, uses.is_named) for side, queue in uses.queues]
    return [*queues, *uses.registers]
