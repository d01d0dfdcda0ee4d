"""One color at one router: its routes, switch, filter, and whether it is torn down."""

from __future__ import annotations

from dataclasses import replace

from waferc_runtime.builtins.control_wavelet import (
    Command,
    command,
    masks,
    next_position,
    popped,
    pops,
)
from waferc_runtime.builtins.registers import (
    RouteBits,
    SwitchBits,
    decode_routes,
    encode_routes,
    encode_switches,
    kept_switches,
)
from waferc_runtime.csl.core import PopMode, Routes
from waferc_runtime.reference.filters import Filter

Masks = tuple[int, int, int]


class Router:
    """Where wavelets of one color go on one PE, as things stand.

    `rx`, `tx` are the masks of directions accepted and sent to at the switch's position. `swap`
    are the bits of `Routes.swap`. `is_pending`: torn down by a wavelet and not handled yet.
    """

    def __init__(self, routes: Routes | None, y: int, x: int) -> None:
        self.swap = 0
        self.filter: Filter | None = None
        self.is_torn_down = False
        self.is_pending = False
        self._base = 0, 0
        self._pop = PopMode.NO_POP
        self._switch = SwitchBits(0, 0, (0, 0, 0), (0, 0, 0), 0)
        if routes is not None:
            self._configure(routes, y, x)
        self._settle()

    def _configure(self, routes: Routes, y: int, x: int) -> None:
        self._base = int(routes.rx[y, x]), int(routes.tx[y, x])
        self.swap = 0 if routes.swap is None else int(routes.swap[y, x])
        self.filter = Filter.at(routes.filters, y, x)
        self.is_torn_down = routes.teardown is not None and bool(routes.teardown[y, x])
        switches = routes.switches
        if switches is not None:
            self._pop = PopMode(int(switches.pop[y, x]))
            self._switch = SwitchBits(
                int(switches.position[y, x]),
                int(switches.ring[y, x]),
                _masks_of([int(mask) for mask in switches.rx[:, y, x]]),
                _masks_of([int(mask) for mask in switches.tx[:, y, x]]),
                int(switches.valid[y, x]),
            )

    @property
    def has_positions(self) -> bool:
        """Whether the switch can stand elsewhere than at position 0."""
        return self._switch.valid & ~1 != 0

    @property
    def position(self) -> int:
        """Where the switch stands."""
        return self._switch.position

    def advance(self) -> None:
        """Let the switch go to its next position, if it has one."""
        self._move(Command.ADVANCE)

    def obey(self, payload: int) -> int:
        """Carry out the first command of a control wavelet; the payload to send on."""
        opcode = Command(command(payload))
        has_moved = self._move(opcode)
        if opcode is Command.TEARDOWN:
            self.is_torn_down = self.is_pending = True
        return int(popped(payload)) if pops(self._pop, opcode, has_moved) else payload

    # ---- configuration registers -----------------------------------------------------------------

    @property
    def routes_register(self) -> int:
        """The ROUTES register."""
        rx, tx = self._base
        return int(encode_routes(RouteBits(rx, tx, self.swap, self._pop, self.is_torn_down * 1)))

    @routes_register.setter
    def routes_register(self, value: int) -> None:
        fields = decode_routes(value)
        self._base = int(fields.rx), int(fields.tx)
        self.swap = int(fields.swap)
        self._pop = PopMode(int(fields.pop))
        self.is_torn_down = bool(fields.is_torn_down)
        self.is_pending = self.is_pending and self.is_torn_down
        self._settle()

    @property
    def switches_register(self) -> int:
        """The SWITCHES register."""
        return int(encode_switches(self._switch))

    @switches_register.setter
    def switches_register(self, value: int) -> None:
        self._switch = kept_switches(self._switch, value)
        self._settle()

    def _move(self, opcode: Command) -> bool:
        switch = self._switch
        position = int(next_position(switch.position, switch.valid, switch.is_ring, opcode))
        if position == switch.position:
            return False
        self._switch = replace(switch, position=position)
        self._settle()
        return True

    def _settle(self) -> None:
        rx, tx = self._base
        position = self._switch.position
        self.rx = int(masks(rx, self._switch.rx, position))
        self.tx = int(masks(tx, self._switch.tx, position))


def _masks_of(values: list[int]) -> Masks:
    first, second, third = values
    return first, second, third
