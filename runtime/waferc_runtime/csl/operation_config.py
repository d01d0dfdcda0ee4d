"""The config struct of a DSD operation, and of loading a register for such operations."""

from __future__ import annotations

from typing import Literal, get_args

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import core
from waferc_runtime.csl.builtin_handles import check_task
from waferc_runtime.csl.calls import whole_function
from waferc_runtime.csl.conversion import as_core
from waferc_runtime.csl.core import Handle, Scalar
from waferc_runtime.csl.diagnostics import CslError, suggestion
from waferc_runtime.csl.evaluator import Evaluator
from waferc_runtime.csl.values import FunctionValue, StructValue, Value, Void, type_of

SETTINGS = ("async", "activate", "unblock", "on_control", "priority", "index", "ut_id")
PRIORITIES: tuple[core.Priority, ...] = get_args(core.Priority)


def operation_config(
    ev: Evaluator, value: Value, at: Location, also: tuple[str, ...] = ()
) -> core.DsdConfig:
    """What a config struct says; settings named in `also` are left to the caller.

    Raises:
        CslError: a setting is unknown, of a wrong type, or contradicts another.
    """
    if not isinstance(value, StructValue):
        raise CslError(f"the last argument is a struct, not a {ev.name_of(value)}", at)
    fields = value.fields
    for name in fields:
        if name not in SETTINGS and name not in also:
            help = suggestion(name, SETTINGS) or f"settings: {', '.join((*SETTINGS, *also))}"
            raise CslError(f"an operation has no setting {name!r}", at, help=help)
    if {"activate", "unblock"} <= set(fields):
        raise CslError("an operation activates or unblocks, not both", at)
    index = fields.get("index")
    return core.DsdConfig(
        is_async=flag(ev, fields.get("async"), at),
        activate=_task(ev, fields.get("activate"), "activate", at),
        unblock=_task(ev, fields.get("unblock"), "unblock", at),
        microthread=_microthread(ev, fields.get("ut_id"), at),
        on_control=_on_control(ev, fields.get("on_control"), at),
        priority=_priority(ev, fields.get("priority"), at),
        index=None if index is None else as_core(ev, index, Scalar.U16, at),
    )


def flag(ev: Evaluator, value: Value | None, at: Location) -> bool:
    """A setting that is on or off, off when it is not given."""
    return value is not None and bool(ev.uniform(ev.truth(value, at)))


def task_id(ev: Evaluator, value: Value | None, at: Location) -> int | None:
    """The local task that a setting activates, by its id or by its name."""
    return _task(ev, value, "activate", at)


def _task(
    ev: Evaluator, value: Value | None, action: Literal["activate", "unblock"], at: Location
) -> int | None:
    if value is None or isinstance(value, Void):
        return None
    if isinstance(value, FunctionValue):
        function = whole_function(ev, value, at)
        for task in ev.context.tasks:
            if task.function is function:
                return task.id
        raise CslError(f"the task {value.decl.name!r} is bound to no id", at)
    check_task(ev, value, action, at)
    return ev.integer_of(value, at)


def _microthread(ev: Evaluator, value: Value | None, at: Location) -> int | None:
    if value is None or isinstance(value, Void):
        return None
    if type_of(value) is not Handle.MICROTHREAD:
        raise CslError(f".ut_id is a ut_id, not a {ev.name_of(value)}", at)
    return ev.integer_of(value, at)


def _on_control(ev: Evaluator, value: Value | None, at: Location) -> core.OnControl | None:
    if value is None or isinstance(value, Void):
        return None
    if not isinstance(value, StructValue) or len(value.fields) != 1:
        raise CslError(".on_control is a struct of one field", at, help=".{ .terminate = true }")
    ((name, given),) = value.fields.items()
    match name:
        case "terminate":
            return core.OnControl() if flag(ev, given, at) else None
        case "activate":
            return core.OnControl(activate=_task(ev, given, "activate", at))
        case "unblock":
            return core.OnControl(unblock=_task(ev, given, "unblock", at))
        case _:
            help = "it has terminate, activate and unblock"
            raise CslError(f".on_control has no field {name!r}", at, help=help)


def _priority(ev: Evaluator, value: Value | None, at: Location) -> core.Priority | None:
    if value is None or isinstance(value, Void):
        return None
    if isinstance(value, StructValue):
        chosen = [name for name, given in value.fields.items() if flag(ev, given, at)]
        for name in PRIORITIES:
            if chosen == [name]:
                return name
    raise CslError("this is no priority", at, help="as in .{ .high = true }; also medium and low")
