"""Builtins for colors, queues, task ids and microthreads, and for what is bound to them."""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import arithmetic, core, syntax
from waferc_runtime.csl.calls import whole_function
from waferc_runtime.csl.context import ExportUse, QueueUse, TaskUse
from waferc_runtime.csl.conversion import as_core, to_core
from waferc_runtime.csl.core import Handle, Scalar
from waferc_runtime.csl.diagnostics import CslError, not_supported
from waferc_runtime.csl.evaluator import Evaluator, arguments, builtin
from waferc_runtime.csl.types import (
    EnumType,
    FunctionType,
    Meta,
    PointerType,
    is_integer,
    type_name,
)
from waferc_runtime.csl.values import (
    Dynamic,
    FunctionValue,
    Known,
    MemoryPlace,
    Number,
    SlotPlace,
    StructValue,
    Value,
    Void,
    known,
    type_of,
)

LOCAL_TASKS = 31
CONTROL_TASKS = 64
INPUT_QUEUES = 8
MICROTHREADS = 8


def output_queues(arch: Literal["wse2", "wse3"]) -> int:
    """Number of output queues."""
    return 6 if arch == "wse2" else 8


def first_local(arch: Literal["wse2", "wse3"]) -> int:
    """Smallest id of a local task."""
    return 0 if arch == "wse2" else 8


def _handle(ev: Evaluator, node: syntax.BuiltinCall, type: Handle, low: int, high: int) -> Value:
    """An integer as a handle; a known one has to be in `low` to `high`."""
    (argument,) = arguments(node, 1)
    value = ev.value(argument)
    own = type_of(value)
    if not is_integer(own) and own is not Meta.COMPTIME_INT:
        raise CslError(f"{node.name} of a {type_name(own)}", argument.at, help="of an integer")
    if not isinstance(value, Known):
        return _at_run_time(ev, value, type, argument.at)
    data = np.asarray(value.data)
    bad = (data < low) | (data > high)
    pe = arithmetic.first_offender(bad if bad.ndim else bool(bad), ev.active)
    if pe is not None:
        raise CslError(
            f"there is no {type.value} {arithmetic.pick(value.data, pe)} on {ev.context.arch}",
            argument.at,
            notes=[f"they are {low} to {high}"],
        )
    return known(type, value.data)


def _at_run_time(ev: Evaluator, value: Value, type: Handle, at: Location) -> Value:
    """A handle whose number is computed, in a local of its type; it is not checked."""
    assert ev.frame is not None
    number = as_core(ev, value, Scalar.U16, at)
    local = core.Local(type.value, type, len(ev.frame.function.locals))
    ev.frame.function.locals.append(local)
    ev.out.append(core.SetLocal(local, number, at))
    return Dynamic(type, core.GetLocal(local))


@builtin("@get_color")
def _get_color(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return _handle(ev, node, Handle.COLOR, 0, ev.context.program.machine.colors - 1)


@builtin("@get_input_queue")
def _get_input_queue(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return _handle(ev, node, Handle.INPUT_QUEUE, 0, INPUT_QUEUES - 1)


@builtin("@get_output_queue")
def _get_output_queue(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return _handle(ev, node, Handle.OUTPUT_QUEUE, 0, output_queues(ev.context.arch) - 1)


@builtin("@get_local_task_id")
def _get_local_task_id(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return _handle(ev, node, Handle.LOCAL_TASK, first_local(ev.context.arch), LOCAL_TASKS - 1)


@builtin("@get_control_task_id")
def _get_control_task_id(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return _handle(ev, node, Handle.CONTROL_TASK, 0, CONTROL_TASKS - 1)


@builtin("@get_ut_id")
def _get_ut_id(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    if ev.context.arch == "wse2":
        raise CslError("there are no microthread ids on wse2", node.at, help="the queue is the id")
    return _handle(ev, node, Handle.MICROTHREAD, 0, MICROTHREADS - 1)


@builtin("@get_data_task_id")
def _get_data_task_id(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    (argument,) = arguments(node, 1)
    value = ev.known(argument)
    wanted = Handle.COLOR if ev.context.arch == "wse2" else Handle.INPUT_QUEUE
    if not isinstance(value, Known) or value.type is not wanted:
        raise CslError(
            f"@get_data_task_id takes a {wanted.value}, not {ev.name_of(value)}",
            argument.at,
            help=f"on {ev.context.arch}",
        )
    return Known(Handle.DATA_TASK, value.data)


@builtin("@get_int")
def _get_int(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    (argument,) = arguments(node, 1)
    value = ev.value(argument)
    match value:
        case Known(type=EnumType() as type):
            return Known(type.base, value.data)
        case Known(type=Handle()):
            return Known(Scalar.U16, value.data)
        case Dynamic(type=EnumType() as type):
            return Dynamic(type.base, value.expr)
        case Dynamic(type=Handle()):
            return Dynamic(Scalar.U16, core.Convert(Scalar.U16, value.expr))
        case _:
            raise CslError(f"@get_int of a {ev.name_of(value)}", argument.at)


# ---- tasks


def setup(ev: Evaluator, node: syntax.BuiltinCall) -> None:
    """Refuse a builtin outside of the comptime blocks of a PE's code."""
    if ev.context.is_layout:
        raise CslError(f"{node.name} belongs into the code of a PE", node.at)
    if not ev.is_setup or not ev.is_comptime:
        raise CslError(f"{node.name} belongs into a comptime block", node.at)
    ev.require_all()


def _bind(
    ev: Evaluator,
    node: syntax.BuiltinCall,
    kind: Literal["local", "data", "control"],
    handle: Handle,
    parameters: tuple[int, int],
) -> Value:
    setup(ev, node)
    task, target = arguments(node, 2)
    function, id = ev.known(task), ev.known(target)
    if not isinstance(function, FunctionValue) or function.decl.kind != "task":
        raise CslError(f"{node.name} binds a task, not a {ev.name_of(function)}", task.at)
    if type_of(id) is not handle:
        raise CslError(f"a {handle.value} is expected, not {ev.name_of(id)}", target.at)
    count = len(function.decl.parameters)
    if not parameters[0] <= count <= parameters[1]:
        raise CslError(
            f"the {kind} task {function.decl.name!r} has {count} parameters",
            function.decl.at,
            help=f"a {kind} task has {parameters[0]} to {parameters[1]}",
        )
    lowered = whole_function(ev, function, node.at)
    number = ev.integer_of(id, target.at)
    ev.context.tasks.append(TaskUse(kind, number, function.decl.name, lowered, node.at))
    return Void()


@builtin("@bind_local_task")
def _bind_local_task(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return _bind(ev, node, "local", Handle.LOCAL_TASK, (0, 0))


@builtin("@bind_data_task")
def _bind_data_task(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return _bind(ev, node, "data", Handle.DATA_TASK, (1, 2))


@builtin("@bind_control_task")
def _bind_control_task(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return _bind(ev, node, "control", Handle.CONTROL_TASK, (0, 2))


def _control(
    ev: Evaluator, node: syntax.BuiltinCall, action: Literal["activate", "block", "unblock"]
) -> Value:
    (argument,) = arguments(node, 1)
    value = ev.value(argument)
    check_task(ev, value, action, argument.at)
    if not ev.is_comptime:
        ev.out.append(core.TaskControl(action, to_core(ev, value, argument.at), node.at))
        return Void()
    setup(ev, node)
    if action != "activate" and isinstance(value, Known) and isinstance(value.data, np.ndarray):
        ev.context.blocked_lanes.append(value.data)
        return Void()
    id = ev.integer_of(value, argument.at)
    match action:
        case "activate":
            ev.context.activated.add(id)
        case "block":
            ev.context.blocked.add(id)
        case "unblock":
            ev.context.blocked.discard(id)
    return Void()


def check_task(
    ev: Evaluator, value: Value, action: Literal["activate", "block", "unblock"], at: Location
) -> None:
    """Refuse what cannot be activated, blocked or unblocked on this architecture."""
    channel = Handle.COLOR if ev.context.arch == "wse2" else Handle.INPUT_QUEUE
    allowed = [Handle.LOCAL_TASK]
    if action != "activate":
        allowed += [Handle.DATA_TASK, channel]
        if ev.context.arch == "wse3" and not ev.is_setup:
            allowed.append(Handle.MICROTHREAD)
    if type_of(value) not in allowed:
        names = ", ".join(handle.value for handle in allowed)
        raise CslError(
            f"{action} does not take a {ev.name_of(value)} on {ev.context.arch}",
            at,
            help=f"it takes: {names}",
        )


@builtin("@activate")
def _activate(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return _control(ev, node, "activate")


@builtin("@block")
def _block(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return _control(ev, node, "block")


@builtin("@unblock")
def _unblock(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    return _control(ev, node, "unblock")


# ---- queues


@builtin("@initialize_queue")
def _initialize_queue(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    setup(ev, node)
    first, *rest = arguments(node, 1, 2)
    queue = ev.known(first)
    type = type_of(queue)
    if type is Handle.INPUT_QUEUE:
        uses = ev.context.input_queues
    elif type is Handle.OUTPUT_QUEUE:
        uses = ev.context.output_queues
    else:
        raise CslError(f"a queue is expected, not {ev.name_of(queue)}", first.at)
    id = ev.integer_of(queue, first.at)
    config = ev.known(rest[0]) if rest else StructValue({})
    if not isinstance(config, StructValue):
        raise CslError(f"a struct is expected, not {ev.name_of(config)}", rest[0].at)
    color = _queue_color(ev, config, node)
    if color is None and (type is Handle.INPUT_QUEUE or ev.context.arch == "wse3"):
        raise CslError(f"the {type_name(type)} {id} gets no color", node.at, help=".color = ...")
    if color is not None and type is Handle.OUTPUT_QUEUE and ev.context.arch == "wse2":
        raise CslError(
            "an output_queue has no color on wse2", node.at, help="the fabout_dsd has it there"
        )
    if id in uses:
        raise CslError(
            f"the {type_name(type)} {id} is initialised twice",
            node.at,
            notes=[f"first on line {uses[id].at.line}"],
        )
    uses[id] = QueueUse(color, node.at)
    return Void()


def _queue_color(ev: Evaluator, config: StructValue, node: syntax.BuiltinCall) -> Number | None:
    color: Number | None = None
    for name, value in config.fields.items():
        match name, value:
            case "color", Known(type=Handle.COLOR):
                color = value.data
            case "color", _:
                raise CslError(f"a color is expected, not {ev.name_of(value)}", node.at)
            case "priority", _:
                pass
            case _:
                raise not_supported(f"the field {name!r} of a queue", node.at)
    return color


# ---- exports


@builtin("@export_symbol")
def _export_symbol(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    setup(ev, node)
    symbol, *rest = arguments(node, 1, 2)
    if rest:
        name = ev.text(rest[0])
    elif isinstance(symbol, syntax.Name):
        name = symbol.name
    else:
        raise CslError(
            "the exported symbol needs a name", node.at, help="give it as second argument"
        )
    value = ev.raw(symbol)
    target, type = _export_target(ev, value, symbol.at)
    if name in ev.context.exports:
        raise CslError(
            f"{name!r} is exported twice",
            node.at,
            notes=[f"first on line {ev.context.exports[name].at.line}"],
        )
    ev.context.exports[name] = ExportUse(core.Export(name, target), type, node.at)
    return Void()


def _export_target(ev: Evaluator, value: Value, at: Location) -> tuple[Any, Any]:
    match value:
        case FunctionValue():
            function = whole_function(ev, value, at)
            inner = Evaluator(ev.context, cast(Any, value.instance))
            decl = value.decl
            parameters = tuple(inner.type(parameter.type) for parameter in decl.parameters)
            return function, FunctionType("fn", parameters, inner.type(decl.result))
        case SlotPlace(type=PointerType()):
            return value.slot, value.type
        case MemoryPlace(type=Scalar() | EnumType(), pointer=core.AddressOf() as pointer):
            return pointer.object, value.type
        case Dynamic(type=PointerType(), expr=core.AddressOf() as pointer):
            return pointer, value.type
        case Known(type=Scalar()):
            return to_core(ev, value, at), value.type
        case _:
            raise CslError(
                f"a {ev.name_of(value)} cannot be exported",
                at,
                help="export a pointer, a scalar variable or a function",
            )
