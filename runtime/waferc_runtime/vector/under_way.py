"""Operations under way: which of them may go on when words come, are taken, or will be."""

from __future__ import annotations

import numpy as np

from waferc_ir.machine import Machine
from waferc_runtime.builtins.timing import flight_cycles
from waferc_runtime.vector.faults import transfer_error
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.memory import OutOfBounds
from waferc_runtime.vector.news import News
from waferc_runtime.vector.relay import relay
from waferc_runtime.vector.routers import Changes
from waferc_runtime.vector.routes import RouteFault
from waferc_runtime.vector.transfer import Transfer
from waferc_runtime.vector.unknown import Misuse


class UnderWay:
    """The operations on the fabric and FIFOs that have begun and not ended.

    `width` is that of the program rectangle. FIFOs have numbers where channels have colors.
    """

    def __init__(self, machine: Machine, width: int) -> None:
        self._machine = machine
        self._width = width
        self._new: list[Transfer] = []  # that have not begun
        self._receiving: dict[int, list[Transfer]] = {}  # by color
        self._sending: dict[int, list[Transfer]] = {}
        self._arrived = News()  # words came
        self._freed = News()  # words were taken
        self._promised = News()  # taking words is sure

    @property
    def has_news(self) -> bool:
        """Whether something has changed that operations may have waited for."""
        return bool(self._new or self._arrived or self._freed or self._promised)

    def tell(self, changes: Changes) -> None:
        """Routers have let words come, and have room for others."""
        for color, pes in changes.arrived:
            self._arrived.add(color, pes)
        for color, pes in changes.freed:
            self._freed.add(color, pes)

    def freed(self, color: int, pes: Indices | None) -> None:
        """There is room for words of a color from these PEs (None: any)."""
        self._freed.add(color, pes)

    def look_again(self, transfer: Transfer) -> None:
        """Something else has changed for an operation."""
        self._new.append(transfer)

    def register(self, transfer: Transfer) -> None:
        """Begin an operation; where it has nothing to do it is over at once."""
        empty = np.flatnonzero(transfer.total == 0)
        if len(empty):
            transfer.finished(transfer, empty)
        if len(empty) == len(transfer.total):
            return
        for port in transfer.inputs:
            color = port.stream.color
            self._receiving.setdefault(color, []).append(transfer)
        if transfer.outlet_color is not None:
            self._sending.setdefault(transfer.outlet_color, []).append(transfer)
        self._new.append(transfer)

    def _forget(self, transfer: Transfer) -> None:
        for port in transfer.inputs:
            here = self._receiving[port.stream.color]
            if transfer in here:
                here.remove(transfer)
        if transfer.outlet_color is not None:
            self._sending[transfer.outlet_color].remove(transfer)

    def go_on(self) -> None:
        """Let the operations go on for which something has changed."""
        if self._new:
            for transfer in self._new:
                self._step(transfer)
            self._new = []
        elif self._promised:
            color, pes = self._promised.take()
            for transfer in list(self._sending.get(color, ())):
                self._step_where(transfer, pes, may_promise=True)
        elif self._arrived:
            color, pes = self._arrived.take()
            for transfer in list(self._receiving.get(color, ())):
                self._step_where(transfer, pes, may_relay=True)
        else:
            color, pes = self._freed.take()
            for transfer in list(self._sending.get(color, ())):
                if transfer.wants_room:
                    self._step_where(transfer, pes, may_promise=True)

    def go_on_in_part(self, all_of_them: bool) -> bool:
        """Let operations go on that cannot be brought to their end at once; whether some did.

        That comes late, so that words travel in large portions.
        """
        went_on = False
        for transfer in self.open():
            if transfer.could_go_on or all_of_them:
                where = None if all_of_them else transfer.places_of_some()
                went_on = self._step(transfer, in_part=True, where=where) or went_on
        return went_on

    def end_at_fifos(self) -> bool:
        """End the first synchronous operations that find a FIFO empty or full; whether there are.

        That comes last: what others push and pop before is known then.
        """
        found = [
            (transfer, places, since)
            for transfer in self.open()
            for places, since in [transfer.fifo_in_the_way() or (None, None)]
            if places is not None and since is not None
        ]
        if not found:
            return False
        before = min(int(since.min()) for _, _, since in found) + flight_cycles(1, self._machine)
        for transfer, places, since in found:
            here = since < before
            if here.any():
                transfer.end_at_fifo(places[here], since[here])
                if not transfer.is_open:
                    self._forget(transfer)
        return True

    def _step_where(
        self,
        transfer: Transfer,
        pes: Indices | None,
        may_promise: bool = False,
        may_relay: bool = False,
    ) -> None:
        """Let an operation go on where something has changed.

        With `may_relay` words have come, which may go through a whole chain of PEs.
        """
        where = None if pes is None else transfer.places_of(pes)
        if where is not None and not len(where):
            return
        if may_relay and where is not None:
            went_on = relay(transfer, where, self._receiving)
            for other in went_on:
                self._note(other)
            if went_on:
                return
        transfer.may_promise |= may_promise
        self._step(transfer, where=where)

    def _step(
        self, transfer: Transfer, in_part: bool = False, where: Indices | None = None
    ) -> bool:
        """Let an operation go on, at some places or (None) all; whether it did."""
        try:
            went_on = transfer.advance(in_part, where)
        except (OutOfBounds, Misuse, RouteFault) as fault:
            raise transfer_error(transfer, fault, self._width) from fault
        self._note(transfer)
        return went_on

    def _note(self, transfer: Transfer) -> None:
        """Pass on what an operation tells, and forget it once it is over."""
        for news, told in (
            (self._freed, transfer.taken),
            (self._arrived, transfer.sent),
            (self._promised, transfer.promised),
        ):
            for color, pes in told:
                news.add(color, pes)
            told.clear()
        if not transfer.is_open:
            self._forget(transfer)

    def open(self) -> list[Transfer]:
        """All operations under way, in the order of the channels that they use."""
        tables = (*self._receiving.values(), *self._sending.values())
        transfers = [transfer for here in tables for transfer in here]
        return list({id(transfer): transfer for transfer in transfers}.values())

    def crowded(self) -> set[int]:
        """Colors on which words wait for room."""
        return {
            color
            for color, transfers in self._sending.items()
            if any(transfer.wants_room for transfer in transfers)
        }

    def delivered(self, color: int) -> None:
        """Words of the host have come on a color."""
        for transfer in self._receiving.get(color, ()):
            transfer.look_again()
        self._arrived.add(color, None)
