"""Operations under way: which of them may go on when words come, are taken, or will be."""

from __future__ import annotations

import numpy as np

from waferc_ir.machine import Machine
from waferc_runtime.builtins.timing import flight_cycles
from waferc_runtime.vector.faults import transfer_error
from waferc_runtime.vector.memory import OutOfBounds
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
        self._arrived: set[int] = set()  # colors on which words came
        self._freed: set[int] = set()  # colors on which words were taken
        self._promised: set[int] = set()  # colors on which taking words is sure

    @property
    def has_news(self) -> bool:
        """Whether something has changed that operations may have waited for."""
        return bool(self._new or self._arrived or self._freed or self._promised)

    def tell(self, arrived: set[int], freed: set[int]) -> None:
        """Words have come, and words have been taken, on these colors."""
        self._arrived |= arrived
        self._freed |= freed

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
            for transfer in list(self._sending.get(self._promised.pop(), ())):
                transfer.may_promise = True
                self._step(transfer)
        elif self._arrived:
            for transfer in list(self._receiving.get(self._arrived.pop(), ())):
                self._step(transfer)
        else:
            for transfer in list(self._sending.get(self._freed.pop(), ())):
                if transfer.wants_room:
                    transfer.may_promise = True
                    self._step(transfer)

    def go_on_in_part(self, all_of_them: bool) -> bool:
        """Let operations go on that cannot be brought to their end at once; whether some did.

        That comes late, so that words travel in large portions.
        """
        went_on = False
        for transfer in self.open():
            if transfer.could_go_on or all_of_them:
                went_on = self._step(transfer, in_part=True) or went_on
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

    def _step(self, transfer: Transfer, in_part: bool = False) -> bool:
        """Let an operation go on; whether it did."""
        try:
            went_on = transfer.advance(in_part)
        except (OutOfBounds, Misuse, RouteFault) as fault:
            raise transfer_error(transfer, fault, self._width) from fault
        if went_on:
            for port in transfer.inputs:
                self._freed.add(port.stream.color)
            if transfer.outlet_color is not None:
                self._arrived.add(transfer.outlet_color)
        if transfer.has_promised:
            transfer.has_promised = False
            self._promised.add(transfer.inputs[0].stream.color)
        if went_on and not transfer.is_open:
            self._forget(transfer)
        return went_on

    def open(self) -> list[Transfer]:
        """All operations under way, in the order of the channels that they use."""
        tables = (*self._receiving.values(), *self._sending.values())
        transfers = [transfer for here in tables for transfer in here]
        return list({id(transfer): transfer for transfer in transfers}.values())

    def delivered(self, color: int) -> None:
        """Words of the host have come on a color."""
        for transfer in self._receiving.get(color, ()):
            transfer.look_again()
        self._arrived.add(color)
