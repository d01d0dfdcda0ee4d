"""Handlers of the machine's own events, and builtins that concern the table of tasks."""

from __future__ import annotations

from waferc_runtime.csl import core, syntax
from waferc_runtime.csl.builtin_handles import setup
from waferc_runtime.csl.calls import whole_function
from waferc_runtime.csl.conversion import to_core
from waferc_runtime.csl.core import Handle
from waferc_runtime.csl.diagnostics import CslError
from waferc_runtime.csl.evaluator import Evaluator, arguments, builtin
from waferc_runtime.csl.types import Meta
from waferc_runtime.csl.values import FunctionValue, StructValue, Value, Void, type_of

_TABLE = {"instructions": (2, 4, 8), "stride": tuple(range(1, 8))}


def _handler(ev: Evaluator, node: syntax.BuiltinCall, handle: Handle) -> tuple[int, core.Function]:
    """The number of a color or queue, and the function that handles an event of it."""
    setup(ev, node)
    first, second = arguments(node, 2)
    function, source = ev.known(first), ev.known(second)
    if not isinstance(function, FunctionValue) or function.decl.kind != "fn":
        raise CslError(f"{node.name} takes a function, not a {ev.name_of(function)}", first.at)
    if function.decl.parameters:
        raise CslError("a handler has no parameters", function.decl.at)
    if type_of(source) is not handle:
        message = f"a {handle.value} is expected, not {ev.name_of(source)}"
        raise CslError(message, second.at)
    lowered = whole_function(ev, function, node.at)
    if not isinstance(lowered.result, core.Void):
        raise CslError("a handler returns nothing", function.decl.at)
    return ev.integer_of(source, second.at), lowered


@builtin("@set_teardown_handler")
def _set_teardown_handler(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    color, function = _handler(ev, node, Handle.COLOR)
    if color in ev.context.teardown_handlers:
        raise CslError(f"color {color} has two teardown handlers", node.at)
    ev.context.teardown_handlers[color] = function
    return Void()


@builtin("@set_empty_queue_handler")
def _set_empty_queue_handler(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    _wse3_only(ev, node)
    queue, function = _handler(ev, node, Handle.OUTPUT_QUEUE)
    if queue in ev.context.empty_queue_handlers:
        raise CslError(f"the output_queue {queue} has two handlers", node.at)
    ev.context.empty_queue_handlers[queue] = function
    return Void()


@builtin("@queue_flush")
def _queue_flush(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    _wse3_only(ev, node)
    (argument,) = arguments(node, 1)
    if ev.is_comptime:
        raise CslError("@queue_flush runs at run time only", node.at)
    queue = ev.value(argument)
    if type_of(queue) is not Handle.OUTPUT_QUEUE:
        message = f"an output_queue is expected, not {ev.name_of(queue)}"
        raise CslError(message, argument.at)
    ev.out.append(core.FlushQueue(to_core(ev, queue, argument.at), node.at))
    return Void()


@builtin("@set_control_task_table")
def _set_control_task_table(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    """Control tasks get a table of their own: their ids are no longer those of other tasks."""
    _wse3_only(ev, node)
    setup(ev, node)
    given = arguments(node, 0, 1)
    if ev.context.has_control_table:
        raise CslError("the control task table is set twice", node.at)
    ev.context.has_control_table = True
    config = ev.known(given[0]) if given else StructValue({})
    if not isinstance(config, StructValue):
        raise CslError(f"a struct is expected, not {ev.name_of(config)}", node.at)
    for name, value in config.fields.items():
        if name not in _TABLE:
            raise CslError(f"the table has no field {name!r}", node.at, help="instructions, stride")
        number = ev.integer_of(value, node.at)
        if number not in _TABLE[name]:
            values = ", ".join(map(str, _TABLE[name]))
            raise CslError(f".{name} is {number}", node.at, help=f"one of {values}")
    return Void()


@builtin("@rpc")
def _rpc(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    """Commands of the host are memcpy's business, whatever id programs of SDK 1.x name here."""
    setup(ev, node)
    (argument,) = arguments(node, 1)
    value = ev.known(argument)
    if type_of(value) not in (Handle.DATA_TASK, Handle.COLOR, Meta.VOID):
        message = f"a data_task_id is expected, not {ev.name_of(value)}"
        raise CslError(message, argument.at)
    return Void()


def _wse3_only(ev: Evaluator, node: syntax.BuiltinCall) -> None:
    if ev.context.arch != "wse3":
        raise CslError(f"{node.name} exists on wse3 only", node.at)
