"""Which of several runnable tasks starts: the order that `Choices` names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.choices import Choices, TaskOrder
from waferc_runtime.run_error import RunError
from waferc_runtime.vector.state import NEVER, ClassState

HOST = -1  # stands for an id where the host calls a function
Times = NDArray[np.int64]


class Order:
    """Chooses among runnable tasks.

    Raises:
        RunError: this engine has no shared datapath.
    """

    def __init__(self, choices: Choices) -> None:
        if choices.datapath == "shared":
            raise RunError(
                "the vector engine gives each thread of a PE a datapath for itself",
                help="take the reference engine, or datapath per_thread",
            )
        self._order: TaskOrder = choices.task_order
        self._random = np.random.default_rng(choices.seed)

    def choose(
        self,
        state: ClassState,
        ids: Sequence[int],
        since: Times,
        begin: Times,
        urgent: NDArray[np.bool_] | None,
    ) -> NDArray[np.intp]:
        """The place in `ids`, which ascend, of the task that each PE takes next: [pe].

        `since` [task, pe] is when a task became runnable (NEVER: it is not), `begin` [pe] the
        cycle at which the PE takes one: what is not runnable then has no part in it. Those in
        `urgent` [task, pe] go first.
        """
        if self._order == "arrival" and urgent is None:
            return since.argmin(axis=0)
        allowed: NDArray[np.bool_] = (since <= begin) & (since != NEVER)
        if urgent is not None:
            first = allowed & urgent
            allowed = np.where(first.any(axis=0), first, allowed)
        match self._order:
            case "arrival":
                return np.where(allowed, since, NEVER).argmin(axis=0)
            case "lowest_id":
                return allowed.argmax(axis=0)
            case "round_robin":
                later = allowed & (np.array(ids)[:, np.newaxis] > state.last_task)
                return np.where(later.any(axis=0), later, allowed).argmax(axis=0)
            case "random":
                return np.where(allowed, self._random.random(allowed.shape), -1.0).argmax(axis=0)
