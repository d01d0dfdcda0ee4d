"""What public material leaves open about the machine, as named choices with defaults.

A program whose result depends on one of them is not sound: run it with `task_order="random"` and
several seeds to find out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

TaskOrder = Literal["arrival", "lowest_id", "round_robin", "random"]
TASK_ORDERS: tuple[TaskOrder, ...] = get_args(TaskOrder)


@dataclass(frozen=True, slots=True)
class Choices:
    """How an engine decides where the machine's behaviour is not documented.

    `task_order`: which of several runnable tasks of one priority starts: that which has been
    runnable longest (then the lowest id), the lowest id, the next id after the one that ran last,
    or one drawn with `seed`.
    """

    task_order: TaskOrder = "arrival"
    seed: int = 0


DEFAULT_CHOICES = Choices()
