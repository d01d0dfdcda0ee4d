"""What routers do between the steps of PEs: words move, and torn down colors call handlers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from waferc_runtime.run_error import RunError, pe_name
from waferc_runtime.vector.lanes import lanes_of
from waferc_runtime.vector.routers import Changes, Routers
from waferc_runtime.vector.routes import RouteFault
from waferc_runtime.vector.state import ClassState


def earliest_late(routers: Routers, width: int) -> int:
    """The first cycle at which a word moves whose order is not sure before; see `Routers`.

    Raises:
        RunError: two words came at once.
    """
    with _told(width):
        return routers.earliest_late()


def run_routers(
    routers: Routers, classes: Sequence[ClassState], width: int, late_before: int | None = None
) -> Changes:
    """Let words move; with `late_before` those too whose order is sure before that cycle only.

    Raises:
        RunError: a word came where no route takes it, or two came at once.
    """
    with _told(width):
        if late_before is not None:
            routers.move_late(late_before)
        routers.run()
    changes = routers.take_changes()
    for color, pes, cycles in changes.torn:
        for state in classes:
            here = state.lanes_of(pes)
            positions = np.flatnonzero(here >= 0)
            if len(positions):
                order = positions[np.argsort(here[positions])]
                state.tear_down(color, lanes_of(here[order], state.count), cycles[order])
    return changes


@contextmanager
def _told(width: int) -> Generator[None, Any, None]:
    """Say what went wrong in a router as an error of the program."""
    try:
        yield
    except RouteFault as fault:
        where = pe_name(*reversed(divmod(fault.at, width)))
        raise RunError(
            f"a wavelet of color {fault.color} is stuck in the router of {where}: {fault.message}"
        ) from fault
