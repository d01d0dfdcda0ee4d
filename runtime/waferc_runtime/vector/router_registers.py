"""Configuration registers of routers: routes, switches, filters, what is torn down."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.builtins import registers
from waferc_runtime.csl.core import Routes
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.operation import Misuse
from waferc_runtime.vector.router_config import RouterConfig
from waferc_runtime.vector.routers import Routers

Times = NDArray[np.int64]
Values = NDArray[np.uint16]

BANKS = (
    (registers.ROUTES, registers.COLORS),
    (registers.SWITCHES, registers.COLORS),
    (registers.PENDING, 2),
    (registers.FILTER_LIMIT, registers.COLORS),
    (registers.FILTER_MAX, registers.COLORS),
    (registers.FILTER_COUNTER, registers.COLORS),
)
_PENDING_BITS = 16  # colors per PENDING register


class RegisterFault(Misuse):
    """A register cannot be read or written so on the PE at `position` of the group."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class RouterRegisters:
    """The registers of all routers. `routers` are those of the dynamic colors, if there are any.

    PEs are numbered row by row; all methods take PEs, and values and cycles of each.
    """

    def __init__(self, routers: Routers | None, routes: Mapping[int, Routes], pes: int) -> None:
        self._routers = routers
        self._routes = routes
        self._pes = pes

    def read(self, bank: int, place: int, pes: Indices, cycles: Times) -> Values:
        """What register `place` of a bank holds: [pe].

        Raises:
            RegisterFault: there is none.
        """
        if bank == registers.PENDING:
            return self._pending(place, pes, cycles)
        routers = self._routers
        if routers is None or place not in routers.config.slots:
            if bank not in (registers.ROUTES, registers.SWITCHES):
                raise RegisterFault(f"color {place} has no filter, whose register is read", 0)
            static = RouterConfig([place], self._routes, self._pes)
            return static.read(bank, pes)
        nodes = routers.config.nodes(place, pes)
        if bank in (registers.ROUTES, registers.SWITCHES):
            return routers.config.read(bank, nodes)
        return routers.filters.read(bank, nodes).astype(np.uint16)

    def write(self, bank: int, place: int, pes: Indices, values: Times, cycles: Times) -> None:
        """Set register `place` of a bank at `cycles`.

        Raises:
            RegisterFault: there is none, or wavelets went through the router later than now, which
                cannot be undone.
        """
        routers = self._routers
        if bank == registers.PENDING:
            self._set_pending(place, pes, values)
            return
        if routers is None or place not in routers.config.slots:
            raise RegisterFault(f"color {place} has no filter, whose register is written", 0)
        nodes = routers.config.nodes(place, pes)
        if bank not in (registers.ROUTES, registers.SWITCHES):
            routers.filters.write(bank, nodes, values)
            return
        late = routers.config.write(bank, nodes, values, cycles)
        if len(late):
            position = int(np.flatnonzero(nodes == late[0])[0])
            passed = int(routers.config.last_move[late[0]])
            raise RegisterFault(
                f"the routes of color {place} are changed at cycle {int(cycles[position]):,},"
                f" and a wavelet went through at cycle {passed:,}: the vector engine cannot tell"
                " these apart without teardown",
                position,
            )
        routers.look_at(nodes)

    def _pending(self, half: int, pes: Indices, cycles: Times) -> Values:
        result = np.zeros(len(pes), np.uint16)
        for color in _pending_colors(half):
            if self._routers is not None and color in self._routers.config.slots:
                since = self._routers.config.pending[self._routers.config.nodes(color, pes)]
                result |= ((since <= cycles) << (color % _PENDING_BITS)).astype(np.uint16)
        return result

    def _set_pending(self, half: int, pes: Indices, values: Times) -> None:
        for color in _pending_colors(half):
            if self._routers is not None and color in self._routers.config.slots:
                is_set = (values >> (color % _PENDING_BITS)) & 1 != 0
                self._routers.config.set_pending(self._routers.config.nodes(color, pes), is_set)


def _pending_colors(half: int) -> range:
    return range(half * _PENDING_BITS, min(registers.COLORS, (half + 1) * _PENDING_BITS))
