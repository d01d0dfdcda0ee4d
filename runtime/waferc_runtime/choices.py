"""What public material leaves open about the machine, as named choices with defaults.

A program whose result depends on one of them is not sound: run it with `task_order="random"` and
several seeds to find out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

TaskOrder = Literal["arrival", "lowest_id", "round_robin", "random"]
TASK_ORDERS: tuple[TaskOrder, ...] = get_args(TaskOrder)
DatapathUse = Literal["per_thread", "shared"]
DATAPATH_USES: tuple[DatapathUse, ...] = get_args(DatapathUse)


@dataclass(frozen=True, slots=True)
class Choices:
    """How an engine decides where the machine's behaviour is not documented.

    `task_order`: which of several runnable tasks of one priority starts: that which has been
    runnable longest (then the lowest id), the lowest id, the next id after the one that ran last,
    or one drawn with `seed`.

    `datapath`: whether DSD operations of one PE that are in progress at once take turns on its one
    datapath, an element (or group) of one thread in a cycle ("shared", as the machine does), or
    go on side by side ("per_thread"). Only the reference engine can do the former.
    """

    task_order: TaskOrder = "arrival"
    seed: int = 0
    datapath: DatapathUse = "per_thread"


DEFAULT_CHOICES = Choices()
