"""What routers are set to on dynamic colors: routes, switches, teardown; commands and registers.

A node is one color on one PE: number `slot * pes + pe`, where `slot` counts dynamic colors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.builtins import control_wavelet, registers
from waferc_runtime.builtins.control_wavelet import Command
from waferc_runtime.csl.core import Routes
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.state import NEVER

Times = NDArray[np.int64]
Masks = NDArray[np.uint8]


class RouterConfig:
    """The settings of all nodes. `rx`, `tx` are the masks that hold at the present position."""

    def __init__(self, colors: Sequence[int], routes: Mapping[int, Routes], pes: int) -> None:
        nodes = len(colors) * pes
        self.pes = pes
        self.slots = {color: slot for slot, color in enumerate(colors)}
        self.rx, self.tx = np.zeros(nodes, np.uint8), np.zeros(nodes, np.uint8)
        self.swap = np.zeros(nodes, np.uint8)
        self.is_torn_down = np.zeros(nodes, np.bool_)
        self.pending = np.full(nodes, NEVER, np.int64)  # torn down by a wavelet: since when
        self.may_change = np.zeros(nodes, np.bool_)  # a direction not accepted may be some day
        self.since = np.zeros(nodes, np.int64)  # the present settings hold from this cycle on
        self.last_move = np.full(nodes, -1, np.int64)  # when a word last went through
        self._rx, self._tx = np.zeros(nodes, np.uint8), np.zeros(nodes, np.uint8)
        self._switch_rx = np.zeros((3, nodes), np.uint8)
        self._switch_tx = np.zeros((3, nodes), np.uint8)
        self._valid = np.zeros(nodes, np.uint8)
        self._inputs = np.zeros(nodes, np.uint8)  # see `registers.SwitchBits`
        self._position = np.zeros(nodes, np.uint8)
        self._is_ring = np.zeros(nodes, np.bool_)
        self._pop = np.zeros(nodes, np.uint8)
        for color, slot in self.slots.items():
            if color in routes:
                self._enter(slice(slot * pes, (slot + 1) * pes), routes[color])
        self._refresh(np.arange(nodes))

    def _enter(self, here: slice, routes: Routes) -> None:
        self._rx[here], self._tx[here] = routes.rx.reshape(-1), routes.tx.reshape(-1)
        if routes.switches is not None:
            switches = routes.switches
            self._switch_rx[:, here] = switches.rx.reshape(3, -1)
            self._switch_tx[:, here] = switches.tx.reshape(3, -1)
            self._valid[here] = switches.valid.reshape(-1)
            self._position[here] = switches.position.reshape(-1)
            self._is_ring[here] = switches.ring.reshape(-1)
            self._pop[here] = switches.pop.reshape(-1)
            self.may_change[here] = (switches.valid.reshape(-1) & ~np.uint8(1)) != 0
        if routes.teardown is not None:
            self.is_torn_down[here] = routes.teardown.reshape(-1)
        if routes.swap is not None:
            self.swap[here] = routes.swap.reshape(-1)

    @property
    def may_receive(self) -> NDArray[np.bool_]:
        """Nodes whose routes, at some position, lead to the ramp."""
        return (self.may_send & 16) != 0

    @property
    def may_send(self) -> Masks:
        """The directions that nodes may send to, at some position."""
        return self._tx | np.bitwise_or.reduce(self._switch_tx, axis=0)

    @property
    def may_accept(self) -> Masks:
        """The directions that nodes may accept, at some position."""
        return self._rx | np.bitwise_or.reduce(self._switch_rx, axis=0)

    def nodes(self, color: int, pes: Indices) -> Indices:
        """The nodes of a color on these PEs."""
        return self.slots[color] * self.pes + pes

    def carry_out(
        self, nodes: Indices, payload: NDArray[np.uint32], cycles: Times
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Carry out the first commands of control wavelets that go through at `cycles`.

        Returns:
            Which of the wavelets lose that command, and which tore their color down: [node].
        """
        opcode = control_wavelet.command(payload).astype(np.intp)
        before = self._position[nodes]
        after = control_wavelet.next_position(
            before, self._valid[nodes], self._is_ring[nodes], opcode
        )
        moves = after != before
        if moves.any():
            self._position[nodes] = after
            self._refresh(nodes[moves])
        tears: NDArray[np.bool_] = opcode == Command.TEARDOWN
        self.is_torn_down[nodes[tears]] = True
        self.pending[nodes[tears]] = cycles[tears]
        return control_wavelet.pops(self._pop[nodes], opcode, moves.astype(np.intp)), tears

    def advance(self, nodes: Indices) -> None:
        """Advance the switches of these nodes by one position."""
        advance = np.full(len(nodes), Command.ADVANCE, np.intp)
        self._position[nodes] = control_wavelet.next_position(
            self._position[nodes], self._valid[nodes], self._is_ring[nodes], advance
        )
        self._refresh(nodes)

    def read(self, register: int, nodes: Indices) -> NDArray[np.uint16]:
        """What the ROUTES or SWITCHES registers of nodes hold; `register` is the first of them."""
        if register == registers.ROUTES:
            value = registers.encode_routes(
                registers.RouteBits(
                    self._rx[nodes].astype(np.int64),
                    self._tx[nodes].astype(np.int64),
                    self.swap[nodes].astype(np.int64),
                    self._pop[nodes].astype(np.int64),
                    self.is_torn_down[nodes].astype(np.int64),
                )
            )
        else:
            value = registers.encode_switches(self._switches(nodes))
        return np.asarray(value).astype(np.uint16)

    def write(self, register: int, nodes: Indices, values: Times, cycles: Times) -> Indices:
        """Set the ROUTES or SWITCHES registers of nodes at `cycles`.

        Returns:
            Nodes through which words went later than that, though they were not torn down.
        """
        too_late = nodes[~self.is_torn_down[nodes] & (self.last_move[nodes] > cycles)]
        if register == registers.ROUTES:
            routes = registers.decode_routes(values)
            self._rx[nodes], self._tx[nodes] = routes.rx, routes.tx
            self.swap[nodes], self._pop[nodes] = routes.swap, routes.pop
            self.is_torn_down[nodes] = routes.is_torn_down
            self.pending[nodes[routes.is_torn_down == 0]] = NEVER
        else:
            switches = registers.kept_switches(self._switches(nodes), values)
            self._switch_rx[:, nodes] = np.stack(switches.rx)
            self._switch_tx[:, nodes] = np.stack(switches.tx)
            self._valid[nodes] = switches.valid
            self._inputs[nodes] = switches.inputs
            self._position[nodes] = switches.position
            self._is_ring[nodes] = switches.is_ring
        self.since[nodes] = np.maximum(self.since[nodes], cycles)
        self._refresh(nodes)
        return too_late

    def set_pending(self, nodes: Indices, is_pending: NDArray[np.bool_]) -> None:
        """Set which nodes count as torn down and not handled yet."""
        since = np.where(self.pending[nodes] == NEVER, 0, self.pending[nodes])
        self.pending[nodes] = np.where(is_pending, since, NEVER)

    def _switches(self, nodes: Indices) -> registers.SwitchBits:
        """The switches of nodes, as their registers are made of."""
        rx, tx = self._switch_rx[:, nodes], self._switch_tx[:, nodes]
        return registers.SwitchBits(
            self._position[nodes].astype(np.int64),
            self._is_ring[nodes].astype(np.int64),
            (rx[0], rx[1], rx[2]),
            (tx[0], tx[1], tx[2]),
            self._valid[nodes].astype(np.int64),
            self._inputs[nodes].astype(np.int64),
        )

    def _refresh(self, nodes: Indices) -> None:
        position = self._position[nodes]
        rx, tx = self._switch_rx[:, nodes], self._switch_tx[:, nodes]
        self.rx[nodes] = control_wavelet.masks(self._rx[nodes], (rx[0], rx[1], rx[2]), position)
        self.tx[nodes] = control_wavelet.masks(self._tx[nodes], (tx[0], tx[1], tx[2]), position)
