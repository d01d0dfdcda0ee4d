"""What a program did wrong, with PE, function, cycle and place."""

from __future__ import annotations

import numpy as np

from waferc_ir.diagnostics import Location
from waferc_runtime.builtins.scalar import ZeroDivisorError
from waferc_runtime.run_error import RunError, past_limit, pe_name
from waferc_runtime.vector.effects import AssertionFault
from waferc_runtime.vector.group import Group
from waferc_runtime.vector.memory import OutOfBounds
from waferc_runtime.vector.router_registers import RegisterFault
from waferc_runtime.vector.routes import RouteFault
from waferc_runtime.vector.state import ClassState
from waferc_runtime.vector.transfer import Transfer


class LimitError(Exception):
    """A PE, by its position in the group, works past the last cycle that was granted."""

    def __init__(self, limit: int, position: int) -> None:
        super().__init__(past_limit(limit))
        self.position = position


def check_limit(group: Group, limit: int) -> None:
    """Demand that no PE of a group works past the cycle `limit`.

    Raises:
        LimitError: one does; it names the one that is furthest.
    """
    furthest = int(np.argmax(group.clock))
    if int(group.clock[furthest]) + group.extra > limit:
        raise LimitError(limit, furthest)


def group_error(group: Group, fault: Exception, width: int) -> RunError:
    """The error for something that a group did; `width` is that of the program rectangle."""
    frame = group.frames[-1]
    position = 0
    match fault:
        case OutOfBounds() | AssertionFault() | RegisterFault() | LimitError():
            position = fault.position or 0
        case ZeroDivisorError():
            position = fault.lane or 0
        case _:
            pass
    group.settle()
    state: ClassState = group.state
    lane = int(group.lanes.indices()[position])
    place = frame.code.places[group.pc]
    return _error(state, lane, frame.code.name, place, int(group.clock[position]), fault, width)


def transfer_error(transfer: Transfer, fault: Exception, width: int) -> RunError:
    """The error for something that an operation on the fabric did."""
    position = fault.position or 0 if isinstance(fault, OutOfBounds) else 0
    lane = int(transfer.lanes.indices()[position])
    cycle = int(transfer.next[position])
    place, function = transfer.place, transfer.function
    return _error(transfer.state, lane, function, place, cycle, fault, width)


def _error(
    state: ClassState,
    lane: int,
    function: str,
    place: Location | None,
    cycle: int,
    fault: Exception,
    width: int,
) -> RunError:
    where = pe_name(*state.where(lane))
    notes = [f"in {function}, at cycle {cycle:,}"]
    match fault:
        case OutOfBounds():
            declared = fault.block.object
            text = f"element {fault.element} of {declared.name} is accessed"
            notes.append(f"{declared.name} has {declared.count:,} elements")
        case ZeroDivisorError():
            text = "an integer is divided by zero"
        case AssertionFault():
            text = "an assertion does not hold"
        case RouteFault():
            where = pe_name(*reversed(divmod(fault.source, width)))
            text = f"a wavelet of color {fault.color} cannot go its way"
            notes.append(f"at {pe_name(*reversed(divmod(fault.at, width)))} {fault.message}")
        case _:
            text = str(fault)
    return RunError(f"{text} on {where}", place, notes=notes)
