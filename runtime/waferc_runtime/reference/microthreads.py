"""Which microthread an operation runs on, and what may not run at once.

On wse2 the microthread of an operation is the number of its output queue, else of the input queue
of its first source; on wse3 it is as configured, else likewise. Of two operations in progress
none may use a microthread or a DSR of the other; on wse2 no queue either, on wse3 none unless
both microthreads are named by the program, as its documentation allows.

Source: csl.md 7.3.
"""

from __future__ import annotations

from waferc_ir.diagnostics import Location
from waferc_runtime.reference.operands import Operation
from waferc_runtime.reference.state import State
from waferc_runtime.reference.thread import MAIN_RANK, Thread

RANKS = {"high": 0, "medium": 1, None: MAIN_RANK, "low": 3}  # by the priority of an operation

_NO_QUEUE = -1
_NO_FABRIC = -100


def microthread_of(state: State, operation: Operation) -> int:
    """The number of the microthread; below zero where the program names no queue."""
    if operation.config.microthread is not None:
        return operation.config.microthread
    dsds = operation.fabric
    if not dsds:
        return _NO_FABRIC - len(state.microthreads)
    first = dsds[0]
    if first.queue is not None:
        return first.queue
    queue = state.input_queues.get(first.color) if first.is_input else None
    return _NO_QUEUE - first.color if queue is None else queue


def check_free(state: State, issuer: Thread, operation: Operation, number: int) -> None:
    """Refuse an asynchronous operation that meets another in progress.

    Raises:
        RunError: its microthread, a queue or a DSR is in use.
    """
    for other in state.microthreads:
        if other.microthread == number:
            raise state.error(
                f"{operation.op.name} starts on microthread {number}, which is still at work,",
                issuer,
                operation.at,
            )
    check_alone(state, issuer, operation)


def check_alone(state: State, issuer: Thread, operation: Operation) -> None:
    """Refuse an operation that shares a queue or a DSR with one in progress.

    Raises:
        RunError: a queue or a DSR is in use.
    """
    names = operation.config.microthread is not None
    for other in state.microthreads:
        shared = operation.queues & other.queues
        if shared and not (names and other.names_microthread):
            side, name = sorted(shared)[0].split(" ", 1)
            queue = f"{side}put queue {name}"
            raise state.error(
                f"{operation.op.name} uses {queue}, with which another operation is still at work,",
                issuer,
                operation.at,
            )
    for name in sorted(operation.registers):
        check_unused(state, issuer, name, operation.at)


def check_unused(state: State, issuer: Thread, name: str, at: Location | None) -> None:
    """Refuse the use of a DSR that an operation in progress uses.

    Raises:
        RunError: it is in use.
    """
    if any(name in other.registers for other in state.microthreads):
        raise state.error(
            f"DSR {name} is used, with which an operation is still at work,", issuer, at
        )
