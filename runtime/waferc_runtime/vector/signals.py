"""Tasks that are activated, blocked and unblocked."""

from __future__ import annotations

from typing import Any

from waferc_runtime.csl import core
from waferc_runtime.vector.lanes import Lanes
from waferc_runtime.vector.operation import Misuse
from waferc_runtime.vector.state import ClassState


def signal(state: ClassState, task: int, action: str, lanes: Lanes, cycles: Any) -> None:
    """`@activate`, `@block` or `@unblock` a task on some PEs at `cycles` [lane].

    Raises:
        Misuse: a task is activated that there is not.
    """
    if action != "activate":
        state.block(task, lanes, action == "block", cycles)
    elif not state.activate(task, lanes, cycles):
        raise Misuse(f"task {task} is activated, which is bound to no function")


def tell(
    state: ClassState, end: core.DsdConfig | core.OnControl, lanes: Lanes, cycles: Any
) -> None:
    """Tell the tasks that wait for the end of an operation, which came at `cycles` [lane]."""
    if end.activate is not None:
        signal(state, end.activate, "activate", lanes, cycles)
    if end.unblock is not None:
        signal(state, end.unblock, "unblock", lanes, cycles)
