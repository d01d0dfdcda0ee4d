"""Words at the heads of input queues, as they start data and control tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.builtins import control_wavelet, scalar
from waferc_runtime.csl import core
from waferc_runtime.vector.issue import Network
from waferc_runtime.vector.lanes import Lanes
from waferc_runtime.vector.state import NEVER, ClassState
from waferc_runtime.vector.unknown import UNKNOWN
from waferc_runtime.vector.values import RunValue
from waferc_runtime.vector.when import steadily

Times = NDArray[np.int64]
Receiving = Mapping[int, NDArray[np.bool_]]  # by color: PEs on which an operation receives it


def data_heads(
    state: ClassState,
    network: Network,
    task: int,
    color: int,
    bound: int | core.Lanes,
    receiving: Receiving,
) -> Times | None:
    """When the data wavelet at the head of a color's queue arrived: [pe].

    NEVER where there is none that the task could start for; None if there is none anywhere.
    """
    since = _arrivals(state, network, color, receiving)
    if since is None:
        return None
    if isinstance(bound, np.ndarray):
        since = np.where(bound == color, since, NEVER)
    control = _controls(state, network, color, since)
    if control is not None:
        since = np.where(control, NEVER, since)
    return unblocked(state, task, since)


def control_heads(
    state: ClassState, network: Network, color: int, receiving: Receiving
) -> tuple[Times, NDArray[np.int64]] | None:
    """When the control wavelet at the head of a color's queue arrived, and its entrypoint: [pe].

    NEVER where there is none that a task could start for; None if there is none anywhere.
    """
    since = _arrivals(state, network, color, receiving)
    if since is None:
        return None
    control = _controls(state, network, color, since)
    if control is None:
        return None
    stream = network.stream(color)
    since = np.where(control, since, NEVER)
    words, _ = stream.peek(stream.columns(state.pes[control]), 1)
    entry = np.full(state.count, -1, np.int64)
    entry[control] = control_wavelet.entrypoint(words[0])
    if network.arch == "wse2":
        return unblocked(state, color, since), entry
    result = np.full(state.count, NEVER, np.int64)
    for queue, bound in state.queues.inputs.items():
        mine = np.asarray(bound) == color
        result = np.where(mine, unblocked(state, queue, since), result)
    return result, entry


def unblocked(state: ClassState, task: int, since: Times) -> Times:
    """When a task can run that is ready `since`: NEVER where its id is blocked."""
    blocked = state.blocked.get(task)
    if blocked is None:
        return since
    at = state.unblocked_at.get(task)
    if at is not None:
        since = np.maximum(since, at)
    return np.where(blocked, NEVER, since)


def taker(
    state: ClassState, network: Network, task: core.TaskBinding, lanes: Lanes, color: int
) -> Callable[[Times], list[RunValue]]:
    """Takes the word that starts a task, when told the cycles, and gives the arguments."""
    stream = network.stream(color)
    columns = stream.columns(state.pes[lanes.index])

    def take(cycles: Times) -> list[RunValue]:
        words, _ = stream.peek(columns, 1)
        bits = words[0].copy()
        stream.consume(columns, steadily(cycles, 1, 1))
        if not state.has_data and task.kind == "data":
            return [UNKNOWN for _ in task.function.parameters]
        if task.kind == "control":
            bits = control_wavelet.argument(bits) | np.uint32(task.id << 16)
        return [
            _argument(bits, place, parameter)
            for place, parameter in enumerate(task.function.parameters)
        ]

    return take


def _arrivals(
    state: ClassState, network: Network, color: int, receiving: Receiving
) -> Times | None:
    """Since when tasks may have the first words of a color: [pe].

    NEVER where there are none, or an operation takes them; None if that is so everywhere.
    """
    stream = network.stream(color)
    since = stream.head_arrival(stream.columns(state.pes))
    if color in receiving:
        since[receiving[color]] = NEVER
    if since.min() == NEVER:
        return None
    until = state.received_until.get(color)
    return since if until is None else np.maximum(since, until)


def _controls(
    state: ClassState, network: Network, color: int, since: Times
) -> NDArray[np.bool_] | None:
    """Where the first word of a color is a control wavelet: [pe]; None if nowhere."""
    stream = network.stream(color)
    here = since != NEVER
    control = stream.controls(stream.columns(state.pes[here]), 1)
    if control is None:
        return None
    here[here] = control[0]
    return here


def _argument(bits: NDArray[np.uint32], place: int, parameter: core.Local) -> RunValue:
    kind = parameter.type
    assert isinstance(kind, core.Scalar)
    if kind.bits == 32:
        return scalar.bitcast(bits, core.Scalar.U32, kind)
    half = ((bits >> np.uint32(16 * place)) & np.uint32(0xFFFF)).astype(np.uint16)
    return scalar.bitcast(half, core.Scalar.U16, kind)
