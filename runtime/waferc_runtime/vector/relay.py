"""Chains of PEs that hand a message on as it comes: it goes through all of them at once.

Each PE of a chain is in an operation that sends a word for each that it receives, and the next one
waits for these. What an operation does when words come is done here hop by hop; what it leaves
behind is written down once for the whole chain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.vector.channel import Outlet, Times, Words
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.memory import OutOfBounds
from waferc_runtime.vector.open_stream import OpenStream
from waferc_runtime.vector.ports import Port, values_of
from waferc_runtime.vector.results import leave, write
from waferc_runtime.vector.stream import Stream
from waferc_runtime.vector.transfer import AT_ONCE, Transfer
from waferc_runtime.vector.unknown import Misuse
from waferc_runtime.vector.when import When, processed

Receiving = Mapping[int, Sequence[Transfer]]


@dataclass(eq=False, slots=True)
class _Stage:
    """An operation that hands words on, as a message of `elements` finds it.

    All arrays are by place: where it could take the whole message and nothing else (`is_able`),
    where no words are on their way to it, until when it may have to wait for room.
    """

    transfer: Transfer
    source: Stream
    target: Stream
    outlet: Outlet
    is_able: NDArray[np.bool_]
    is_empty: NDArray[np.bool_]
    held_until: Times
    follower: NDArray[np.intp]  # which of the operations that receive what it sends; -1: none
    place: Indices  # in that


@dataclass(frozen=True, slots=True, eq=False)
class _Hop:
    """When PEs at `places` of a stage process the message."""

    stage: _Stage
    places: Indices
    times: When


def relay(first: Transfer, places: Indices, receiving: Receiving) -> list[Transfer]:
    """Let the words that wait for some PEs go through a chain that begins with them.

    `receiving` are the operations under way by the color that they receive.

    Returns:
        The operations that went on: none if there is no such chain of two hops at least.
    """
    chain = _Chain(first, places, receiving)
    return chain.settle() if chain.build() else []


class _Chain:
    def __init__(self, first: Transfer, places: Indices, receiving: Receiving) -> None:
        self._first = first
        self._places = places
        self._receiving = receiving
        self._done = int(first.done[places[0]])
        self._count = int(first.total[places[0]]) - self._done  # elements
        self._words = -(-self._count // first.step)
        self._stages: dict[Transfer, _Stage | None] = {}
        self._sent: Words = np.zeros((0, 0), np.uint32)  # by the last hop
        self._hops: list[_Hop] = []

    # ---- through the chain -----------------------------------------------------------------------

    def build(self) -> bool:
        """Work out the hops; whether there are two at least. Nothing has changed until `settle`."""
        if self._count * len(self._places) > AT_ONCE:
            return False  # long messages go in parts
        if not self._may_begin():
            return False
        stage, places = self._stage(self._first), self._places
        assert stage is not None
        columns = stage.source.columns(self._first.pes[places])
        words, arrival = stage.source.peek(columns, self._words)
        while True:
            times = self._hop(stage, places, words, arrival)
            following = None if times is None else self._behind(stage, places)
            if times is None or following is None:
                break
            words = self._sent
            arrival = times.later(stage.transfer.delay + stage.outlet.flight[places])
            stage, places = following
        return len(self._hops) > 1

    def _may_begin(self) -> bool:
        """Whether the first two operations are able to hand on the message.

        Only these PEs are looked at: most messages go no further, and other PEs are many.
        """
        begin = self._made_stage(self._first, self._places)
        if begin is None or not begin.is_able.all():
            return False
        columns = begin.source.columns(self._first.pes[self._places])
        if (begin.source.available(columns) < self._words).any():
            return False
        behind = self._next(begin, slice(None))
        following = None if behind is None else self._made_stage(*behind)
        return following is not None and bool((following.is_able & following.is_empty).all())

    def _hop(self, stage: _Stage, places: Indices, words: Words, arrival: When) -> When | None:
        """When PEs process the message; None if they have to wait for room, or do wrong."""
        transfer = stage.transfer
        times = processed(transfer.next[places], transfer.pace, self._words, [arrival])
        if (times.begin() + transfer.delay <= stage.held_until[places]).any():
            return None
        try:
            self._sent = self._made_of(transfer, places, words)
        except (OutOfBounds, Misuse):
            return None  # it is told when the words have come there
        stage.is_able[places] = False
        self._hops.append(_Hop(stage, places, times))
        return times

    def _made_of(self, transfer: Transfer, places: Indices, words: Words) -> Words:
        """What PEs send when they receive these words."""
        has_data, done, count = transfer.state.has_data, self._done, self._count
        values = values_of(transfer.sources, [words], places, done, count, has_data)
        made: list[Words] = []
        carry_out = write if has_data else leave
        carry_out(
            transfer.dest,
            transfer.compute,
            places,
            done,
            count,
            transfer.lanes.at(places),
            values,
            lambda _, sent: made.append(sent),
        )
        return made[0]

    def _behind(self, stage: _Stage, places: Indices) -> tuple[_Stage, Indices] | None:
        """Those who wait for what these PEs send and for nothing else; None: not all of them."""
        behind = self._next(stage, places)
        if behind is None:
            return None
        transfer, there = behind
        following = self._stage(transfer)
        if following is None or not (following.is_able[there] & following.is_empty[there]).all():
            return None
        return following, there

    def _next(self, stage: _Stage, places: Indices | slice) -> tuple[Transfer, Indices] | None:
        """The one operation that receives what these PEs send, and where; None: several or none."""
        follower = stage.follower[places]
        number = int(follower[0])
        if number < 0 or (follower != number).any():
            return None
        there = stage.place[places]
        if (there[1:] <= there[:-1]).any():
            return None
        return self._receiving[stage.target.color][number], there

    def _stage(self, transfer: Transfer) -> _Stage | None:
        if transfer not in self._stages:
            self._stages[transfer] = self._made_stage(transfer, None)
        return self._stages[transfer]

    def _made_stage(self, transfer: Transfer, places: Indices | None) -> _Stage | None:
        """An operation as the message finds it, at all places or at some alone."""
        ends = _ends(transfer)
        if ends is None or transfer.step != self._first.step:
            return None
        source, target = ends
        outlet = transfer.whole_outlet()
        if outlet.first is not None or target.crossings is not None:
            return None  # who wants to hear of single words is told by those that are sent
        pes, done, total = transfer.pes, transfer.done, transfer.total
        if places is not None:
            outlet, pes = outlet.of(places), pes[places]
            done, total = done[places], total[places]
        columns = source.columns(pes)
        is_able = (done == self._done) & (total == self._done + self._count)
        is_able &= (columns >= 0) & (target.credit(outlet) >= self._words)
        receivers = target.receivers[outlet.column]
        follower = np.full(len(receivers), -1, np.intp)
        place = follower.copy()
        for number, other in enumerate(self._receiving.get(target.color, ())):
            there = other.place_of(receivers)
            here = (there >= 0) & (follower < 0)
            here[here] = other.done[there[here]] < other.total[there[here]]
            follower[here], place[here] = number, there[here]
        return _Stage(
            transfer,
            source,
            target,
            outlet,
            is_able,
            source.available(columns) == 0,
            target.held_until(outlet, self._words),
            follower,
            place,
        )

    # ---- what is left behind ---------------------------------------------------------------------

    def settle(self) -> list[Transfer]:
        """Write down what has happened; the operations that went on."""
        first, last = self._hops[0], self._hops[-1]
        columns = first.stage.source.columns(first.stage.transfer.pes[first.places])
        first.stage.source.consume(columns, first.times)
        told = first.stage.source.color, first.stage.source.senders_of(columns)
        first.stage.transfer.taken.append(told)
        for stage in self._stages.values():
            if stage is not None:
                self._settle_stage(stage)
        outlet = last.stage.outlet.of(last.places)
        sent = last.times.later(last.stage.transfer.delay)
        last.stage.target.send(outlet, self._sent, sent)
        reached = last.stage.target.reached(outlet)
        last.stage.transfer.sent.append((last.stage.target.color, reached))
        went_on = list({hop.stage.transfer: None for hop in self._hops})
        for transfer in went_on:
            hops = [hop for hop in self._hops if hop.stage.transfer is transfer]
            for places, times in _joined([hop.places for hop in hops], [hop.times for hop in hops]):
                order = np.argsort(places)
                transfer.end(places[order], self._count, times.of(order))
        return went_on

    def _settle_stage(self, stage: _Stage) -> None:
        """Hand over what a stage sent within the chain."""
        pairs = [
            (hop, behind)
            for hop, behind in zip(self._hops, self._hops[1:], strict=False)
            if hop.stage is stage
        ]
        if not pairs:
            return
        places = [hop.places for hop, _ in pairs]
        sent = _joined(places, [hop.times.later(stage.transfer.delay) for hop, _ in pairs])
        taken = _joined(places, [behind.times for _, behind in pairs])
        if len(sent) != len(taken):
            sent = [(hop.places, hop.times.later(stage.transfer.delay)) for hop, _ in pairs]
            taken = [(hop.places, behind.times) for hop, behind in pairs]
        for (here, when), (_, then) in zip(sent, taken, strict=True):
            order = np.argsort(here)
            stage.target.hand_over(stage.outlet.of(here[order]), when.of(order), then.of(order))


def _ends(transfer: Transfer) -> tuple[Stream, Stream] | None:
    """Where words come from and go to, if each that comes makes one that goes; else None."""
    dest = transfer.dest
    if len(transfer.inputs) != 1 or not isinstance(dest, Port):
        return None
    source = transfer.inputs[0]
    if not _is_static(source) or not _is_static(dest):
        return None
    if source.per_word != transfer.step or dest.per_word != transfer.step:
        return None
    if dest.sends_control or dest.advances_switch or transfer.config.on_control is not None:
        return None
    if transfer.microthread in transfer.state.blocked_microthreads:
        return None
    assert isinstance(source.stream, Stream)
    assert isinstance(dest.stream, Stream)
    return source.stream, dest.stream


def _is_static(port: Port) -> bool:
    return isinstance(port.stream, Stream) and not isinstance(port.stream, OpenStream)


def _joined(places: Sequence[Indices], times: Sequence[When]) -> list[tuple[Indices, When]]:
    """Places with their times: all in one where each has one run at one pace, else one by one."""
    step = times[0].step
    if any(len(when.at) > 1 or when.step != step for when in times):
        return list(zip(places, times, strict=True))
    first = np.concatenate([when.first for when in times], axis=1)
    return [(np.concatenate(places), When(times[0].at, first, step, len(times[0])))]
