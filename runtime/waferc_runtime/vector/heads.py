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
) -> Times:
    """When the data wavelet at the head of a color's queue arrived: [pe]."""
    here = np.broadcast_to(np.asarray(bound) == color, state.count)
    here, columns = _words(state, network, color, here, receiving)
    stream = network.stream(color)
    control = stream.controls(columns[here], 1) if here.any() else None
    if control is not None:
        here[here] = ~control[0]
    return unblocked(state, task, _arrivals(state, network, color, here, columns))


def control_heads(
    state: ClassState, network: Network, color: int, receiving: Receiving
) -> tuple[Times, NDArray[np.int64]] | None:
    """When the control wavelet at the head of a color's queue arrived, and its entrypoint: [pe].

    NEVER where there is none that a task could start for; None if there is none anywhere.
    """
    here, columns = _words(state, network, color, np.ones(state.count, np.bool_), receiving)
    if not here.any():
        return None
    stream = network.stream(color)
    control = stream.controls(columns[here], 1)
    if control is None:
        return None
    words, _ = stream.peek(columns[here], 1)
    entry = np.full(state.count, -1, np.int64)
    entry[here] = control_wavelet.entrypoint(words[0])
    here[here] = control[0]
    since = _arrivals(state, network, color, here, columns)
    if network.arch == "wse2":
        return unblocked(state, color, since), entry
    result = np.full(state.count, NEVER, np.int64)
    for queue, bound in state.program.input_queues.items():
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


def _words(
    state: ClassState,
    network: Network,
    color: int,
    where: NDArray[np.bool_],
    receiving: Receiving,
) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Where words of a color wait that no operation takes, and the columns of PEs: [pe]."""
    stream = network.stream(color)
    columns = stream.columns(state.pes)
    here = (columns >= 0) & where
    if color in receiving:
        here &= ~receiving[color]
    here[here] = stream.available(columns[here]) > 0
    return here, columns


def _arrivals(
    state: ClassState,
    network: Network,
    color: int,
    here: NDArray[np.bool_],
    columns: NDArray[np.intp],
) -> Times:
    """Since when tasks may have the first words of a color: [pe], NEVER where not `here`."""
    since = np.full(state.count, NEVER, np.int64)
    since[here] = network.stream(color).head_arrival(columns[here])
    until = state.received_until.get(color)
    return since if until is None else np.maximum(since, until)


def _argument(bits: NDArray[np.uint32], place: int, parameter: core.Local) -> RunValue:
    kind = parameter.type
    assert isinstance(kind, core.Scalar)
    if kind.bits == 32:
        return scalar.bitcast(bits, core.Scalar.U32, kind)
    half = ((bits >> np.uint32(16 * place)) & np.uint32(0xFFFF)).astype(np.uint16)
    return scalar.bitcast(half, core.Scalar.U16, kind)
