"""Rules on queues, colors, task ids and symbols, checked when all of a class is known."""

from __future__ import annotations

import numpy as np

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import core
from waferc_runtime.csl.context import Context, ExportUse, FabricUse, LayoutUse, QueueUse, TaskUse
from waferc_runtime.csl.core import Handle
from waferc_runtime.csl.diagnostics import CslError, Split, not_supported, suggestion
from waferc_runtime.csl.types import CslType, FunctionType, PointerType, type_name
from waferc_runtime.csl.values import Number, known

MEMCPY = "<memcpy/memcpy>"
MEMCPY_TASKS = (27, 28, 30)
TEARDOWN_TASK = 29


def check_class(context: Context) -> None:
    """Collect what a class of PEs breaks of the rules."""
    _check_tasks(context)
    _check_queues(context)
    for use in context.fabric:
        with context.program.problems.collecting():
            _check_fabric(context, use)
    _check_recursion(context)


def check_blocked(context: Context) -> None:
    """Part the class where the ids of tasks that are blocked or not differ between its PEs.

    An id that no task has, such as a color that only descriptors receive, makes no difference.
    """
    ids = {task.id for task in context.tasks}
    has_control = any(task.kind == "control" for task in context.tasks)
    for lanes in context.blocked_lanes:
        numbers, groups = np.unique(lanes, return_inverse=True)
        if has_control or ids & set(numbers.tolist()):
            raise Split(groups.reshape(-1))


def _report(context: Context, message: str, at: Location, first: Location | None = None) -> None:
    notes = [] if first is None else [f"first on line {first.line}"]
    context.program.problems.add(CslError(message, at, notes=notes))


def _check_tasks(context: Context) -> None:
    seen: dict[tuple[str, int], TaskUse] = {}
    for task in context.tasks:
        table = "control" if task.kind == "control" and context.has_control_table else "tasks"
        first = seen.setdefault((table, task.id), task)
        if first is not task:
            message = f"the id {task.id} is bound to {first.name!r} and to {task.name!r}"
            _report(context, message, task.at, first.at)
        handlers = context.teardown_handlers or context.empty_queue_handlers
        if task.kind == "local" and task.id == TEARDOWN_TASK and handlers:
            message = f"the local task id {task.id} belongs to the teardown handler"
            _report(context, message, task.at)
        if task.kind == "local" and task.id in MEMCPY_TASKS and MEMCPY in context.libraries:
            _report(context, f"the local task id {task.id} belongs to memcpy", task.at)
        if task.kind == "data" and context.arch == "wse3" and task.id not in context.input_queues:
            _report(context, f"the input queue {task.id} of a data task has no color", task.at)


def _check_queues(context: Context) -> None:
    if MEMCPY not in context.libraries:
        return
    for kind, uses, reserved in (
        ("input", context.input_queues, reserved_queues(context, "fabin")),
        ("output", context.output_queues, reserved_queues(context, "fabout")),
    ):
        for id in reserved:
            if id in uses:
                _report(context, f"the {kind}_queue {id} belongs to memcpy", uses[id].at)


def reserved_queues(context: Context, kind: str) -> tuple[int, ...]:
    """Queues that memcpy has for itself.

    On wse2 an output queue serves whatever color a descriptor has, so that programs share it
    (csl-examples: 25-pt-stencil).
    """
    machine = context.program.machine
    if MEMCPY not in context.libraries:
        return ()
    if kind == "fabin":
        return machine.reserved_input_queues
    return () if context.arch == "wse2" else machine.reserved_output_queues


def _check_fabric(context: Context, use: FabricUse) -> None:
    if use.queue is None:
        return
    is_input = use.kind == "fabin"
    queues = context.input_queues if is_input else context.output_queues
    name = "input_queue" if is_input else "output_queue"
    if use.queue in reserved_queues(context, use.kind):
        raise CslError(f"the {name} {use.queue} belongs to memcpy", use.at)
    queue = queues.get(use.queue)
    if queue is None and use.color is None:
        return  # see `check_initialised`
    if queue is None and is_input and context.arch == "wse2":
        color, active = use.color, use.active
        queues[use.queue] = QueueUse(color, use.at, active, is_implied=True)
    elif queue is not None and _differ(queue, use):
        if queue.is_implied:
            return  # WaferLLM's MeshGEMM for wse2 receives two colors by one queue, one at a time
        raise CslError(
            f"the {name} {use.queue} has another color",
            use.at,
            notes=[
                f"it got {_shown(queue.color)} on line {queue.at.line}, here is {_shown(use.color)}"
            ],
        )
    elif queue is not None and queue.active is not None:
        _extend(queue, use)


def _uninitialised(use: FabricUse) -> CslError:
    name = "input_queue" if use.kind == "fabin" else "output_queue"
    help = "@initialize_queue gives it one"
    return CslError(f"the {name} {use.queue} has no color", use.at, help=help)


def check_initialised(contexts: list[Context]) -> None:
    """Collect descriptors on queues that no class of their file initialises.

    On wse2 a descriptor with a color needs no such queue.

    PEs that never come to use a descriptor need not initialise its queue, so that the classes of a
    file are looked at together.
    """
    for context in contexts:
        peers = [other for other in contexts if other.file == context.file]
        for use in context.fabric:
            if context.arch == "wse2" and use.color is not None:
                continue
            queues = [p.input_queues if use.kind == "fabin" else p.output_queues for p in peers]
            if use.queue is not None and not any(use.queue in q for q in queues):
                context.program.problems.add(_uninitialised(use))


def _differ(queue: QueueUse, use: FabricUse) -> bool:
    """Whether some PE that uses both sees two colors."""
    if queue.color is None or use.color is None:
        return False
    differ = np.atleast_1d(np.asarray(queue.color) != np.asarray(use.color))
    for active in (queue.active, use.active):
        differ = differ if active is None else differ & active
    return bool(differ.any())


def _extend(queue: QueueUse, use: FabricUse) -> None:
    """A queue that descriptors gave its color, on further PEs."""
    if use.color is None or queue.color is None or queue.active is None:
        return
    queue.color = known(Handle.COLOR, np.where(queue.active, queue.color, use.color)).data
    queue.active = None if use.active is None else queue.active | use.active


def _shown(color: Number | None) -> str:
    return "colors that differ between PEs" if isinstance(color, np.ndarray) else f"color {color}"


def _check_recursion(context: Context) -> None:
    """Locals in memory exist once: their function must not come to call itself."""
    for function, at in context.static.items():
        seen: set[core.Function] = set()
        stack = list(context.calls.get(function, ()))
        while stack:
            callee = stack.pop()
            if callee is function:
                error = not_supported(
                    f"a local variable in memory of the recursive function {function.name!r}", at
                )
                context.program.problems.add(error)
                break
            if callee not in seen:
                seen.add(callee)
                stack += context.calls.get(callee, ())


def check_exports(context: Context, layout: LayoutUse) -> None:
    """Collect exported symbols that the layout does not declare, or with another type."""
    for name, use in context.exports.items():
        declared = layout.exports.get(name)
        if declared is None:
            context.program.problems.add(
                CslError(
                    f"the layout does not export the name {name!r}",
                    use.at,
                    help=suggestion(name, layout.exports)
                    or f'@export_name("{name}", {type_name(use.type)}) in the layout block',
                )
            )
        elif not _same(declared[0], use):
            note = f"on line {declared[1].line} the layout exports a {type_name(declared[0])}"
            message = f"the symbol {name!r} is a {type_name(use.type)}"
            context.program.problems.add(CslError(message, use.at, notes=[note]))


def _same(declared: CslType, use: ExportUse) -> bool:
    match declared, use.type:
        case PointerType(), PointerType():
            return declared.many == use.type.many and declared.target == use.type.target
        case FunctionType(), FunctionType():
            mine = use.type
            return declared.parameters == mine.parameters and declared.result == mine.result
        case _:
            return declared == use.type
