"""The one datapath of a PE: in each cycle it serves one thread, the main one or a microthread.

A slot is an element, or as many as an operation processes at once. Scalar code, setup of
operations and `@map` take none. Source: csl.md 7.3; that threads of one priority take turns is
assumed.
"""

from __future__ import annotations

from dataclasses import dataclass

from waferc_runtime.reference.thread import Thread


@dataclass(eq=False, slots=True)
class Datapath:
    """The cycle it last served a thread in. Threads ask in the order in which they are served.

    Unless `is_shared`, each thread has a datapath for itself. `waits` counts cycles that threads
    waited for each other, over all threads.
    """

    is_shared: bool
    taken: int = -1
    waits: int = 0

    def take(self, thread: Thread, cycle: int) -> bool:
        """Serve a thread in a cycle; False if another one is served then."""
        if not self.is_shared:
            return True
        if self.taken == cycle:
            self.waits += 1
            return False
        self.taken = cycle
        thread.served = cycle
        return True
