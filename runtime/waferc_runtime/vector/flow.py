"""What is known of control flow before a program runs: ways out, trips, slots that change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from waferc_runtime.builtins.walk import functions_of, statements
from waferc_runtime.csl import core
from waferc_runtime.vector.values import RunValue


def trip_count(low: RunValue, high: RunValue, by: RunValue) -> RunValue:
    """Iterations of a half-open range; uniform or [pe]."""
    if any(isinstance(bound, np.ndarray) for bound in (low, high, by)):
        span = np.asarray(high) - np.asarray(low)
        return np.maximum(-(-span // by), 0).astype(np.int64)
    return len(range(low, high, by))


def leaves(body: Sequence[core.Stmt]) -> set[type[core.Stmt]]:
    """Which of return, break and continue lead out of these statements."""
    found: set[type[core.Stmt]] = set()
    for statement in body:
        match statement:
            case core.Return() | core.Break() | core.Continue():
                found.add(type(statement))
            case core.If():
                found |= leaves(statement.then) | leaves(statement.otherwise)
            case core.While() | core.For():
                found |= leaves(statement.body) & {core.Return}
            case _:
                pass
    return found


def assigned_slots(program: core.PEClass) -> set[core.Slot]:
    """Slots that some function assigns."""
    return {
        statement.slot
        for function in functions_of(program)
        for statement in statements(function.body)
        if isinstance(statement, core.SetSlot)
    }
