"""What a layout says about its PEs, as arrays over the rectangle: code, params, routes, exports."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import core
from waferc_runtime.csl.diagnostics import CslError
from waferc_runtime.csl.types import CslType
from waferc_runtime.csl.values import KindKey, Number, StructValue, concatenate, kind_of, take

Coordinates = NDArray[np.intp]  # [pe]


Three = tuple[Number, Number, Number]


@dataclass(frozen=True, slots=True)
class SwitchConfig:
    """Switch positions of one color: the fields of `core.Switches`, for some PEs."""

    rx: Three
    tx: Three
    valid: Number
    position: Number
    ring: Number
    pop: Number


@dataclass(frozen=True, slots=True)
class FilterConfig:
    """A filter of one color: the fields of `core.Filters`, for some PEs."""

    kind: Number
    count_data: Number
    count_control: Number
    filter_control: Number
    init_counter: Number
    limit1: Number
    limit2: Number
    max_counter: Number
    min_idx: Number
    max_idx: Number

    @property
    def numbers(self) -> tuple[Number, ...]:
        """All fields in order."""
        counted = (self.kind, self.count_data, self.count_control, self.filter_control)
        limits = (self.init_counter, self.limit1, self.limit2, self.max_counter)
        return (*counted, *limits, self.min_idx, self.max_idx)


@dataclass(frozen=True, slots=True)
class ColorConfig:
    """The configuration of one color, and where it was given; numbers may differ between PEs."""

    rx: Number
    tx: Number
    at: Location
    swap: Number = 0
    switches: SwitchConfig | None = None
    filter: FilterConfig | None = None
    teardown: Number = False

    def part(self, pes: NDArray[np.intp]) -> ColorConfig:
        """The configuration for some of the PEs only."""
        switches, filter = self.switches, self.filter
        if switches is not None:
            switches = SwitchConfig(
                rx=_three(switches.rx, pes),
                tx=_three(switches.tx, pes),
                valid=_some(switches.valid, pes),
                position=_some(switches.position, pes),
                ring=_some(switches.ring, pes),
                pop=_some(switches.pop, pes),
            )
        if filter is not None:
            filter = FilterConfig(*(_some(number, pes) for number in filter.numbers))
        return replace(
            self,
            rx=_some(self.rx, pes),
            tx=_some(self.tx, pes),
            swap=_some(self.swap, pes),
            switches=switches,
            filter=filter,
            teardown=_some(self.teardown, pes),
        )


def _some(number: Number, pes: NDArray[np.intp]) -> Number:
    return number[pes] if isinstance(number, np.ndarray) else number


def _three(numbers: Three, pes: NDArray[np.intp]) -> Three:
    return _some(numbers[0], pes), _some(numbers[1], pes), _some(numbers[2], pes)


@dataclass(frozen=True, slots=True)
class TileCode:
    """The file and the params of some PEs; params are numbers, or lanes in the order of x, y."""

    file: str
    params: StructValue
    x: Coordinates
    y: Coordinates
    at: Location


@dataclass(frozen=True, slots=True)
class Group:
    """PEs that are evaluated together: lanes of the params are in the order of x, y."""

    file: str
    params: StructValue
    x: NDArray[np.int32]
    y: NDArray[np.int32]

    def part(self, pes: NDArray[np.intp]) -> Group:
        """Some of the PEs."""
        params = take(self.params, pes)
        assert isinstance(params, StructValue)
        return Group(self.file, params, self.x[pes], self.y[pes])

    def parts(self, numbers: NDArray[np.intp]) -> list[Group]:
        """The group cut by the number of each PE."""
        return [self.part(np.flatnonzero(numbers == number)) for number in np.unique(numbers)]


class Placement:
    """The tiles and color configurations of a rectangle of PEs; each is given at most once."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._tiles: list[TileCode] = []
        self._last = np.zeros((height, width), np.int32)  # [y, x], which of several came last
        self._tile = np.full((height, width), -1, np.int32)  # [y, x], into _tiles
        self._routes: dict[int, core.Routes] = {}
        self._places: list[Location] = []
        self._place: dict[int, NDArray[np.int32]] = {}  # by color [y, x], into _places

    def add_code(self, tile: TileCode) -> None:
        """Give PEs their code.

        Raises:
            CslError: one of them has some already, or comes twice.
        """
        first = self._clash(self._tile, tile.x, tile.y)
        if first is not None:
            x, y, number = first
            before = tile.at if number < 0 else self._tiles[number].at
            raise CslError(
                f"PE ({x}, {y}) gets code twice", tile.at, notes=[f"first on line {before.line}"]
            )
        self._tile[tile.y, tile.x] = len(self._tiles)
        self._tiles.append(tile)

    def add_color(self, color: int, config: ColorConfig, x: Coordinates, y: Coordinates) -> None:
        """Configure a color of PEs.

        Raises:
            CslError: it is configured already on one of them, or one comes twice.
        """
        shape = self.height, self.width
        if color not in self._routes:
            zeros = np.zeros(shape, np.uint8)
            self._routes[color] = core.Routes(zeros, zeros.copy())
            self._place[color] = np.full(shape, -1, np.int32)
        first = self._clash(self._place[color], x, y)
        if first is not None:
            column, row, number = first
            before = config.at if number < 0 else self._places[number]
            raise CslError(
                f"color {color} of PE ({column}, {row}) is configured twice",
                config.at,
                notes=[f"first on line {before.line}"],
            )
        self._place[color][y, x] = len(self._places)
        self._places.append(config.at)
        enter(self._routes[color], config, y, x)

    def _clash(
        self, taken: NDArray[np.int32], x: Coordinates, y: Coordinates
    ) -> tuple[int, int, int] | None:
        """The first PE that is taken, with by what; -1 if it is among `x`, `y` twice."""
        numbers = taken[y, x]
        if (numbers >= 0).any():
            pe = int(np.argmax(numbers >= 0))
            return int(x[pe]), int(y[pe]), int(numbers[pe])
        if len(x) > 1:
            order = np.arange(len(x), dtype=np.int32)
            self._last[y, x] = order
            twice = self._last[y, x] != order
            if twice.any():
                pe = int(np.argmax(twice))
                return int(x[pe]), int(y[pe]), -1
        return None

    def without_code(self) -> tuple[int, tuple[int, int]] | None:
        """How many PEs have no code, and the first of them."""
        missing = self._tile < 0
        if not missing.any():
            return None
        y, x = divmod(int(np.argmax(missing)), self.width)
        return int(missing.sum()), (x, y)

    def uses(self, file: str) -> bool:
        """Whether the file is the code of a PE."""
        return any(tile.file == file for tile in self._tiles)

    def routes(self) -> dict[int, core.Routes]:
        """The routes by color."""
        return dict(sorted(self._routes.items()))

    def groups(self) -> list[Group]:
        """PEs by file and kinds of params, in the order of rows; groups in that of their first."""
        tiles: dict[tuple[str, KindKey], list[TileCode]] = {}
        for tile in self._tiles:
            tiles.setdefault((tile.file, kind_of(tile.params)), []).append(tile)
        groups: list[Group] = []
        for (file, _), members in tiles.items():
            x = np.concatenate([tile.x for tile in members])
            y = np.concatenate([tile.y for tile in members])
            params = concatenate([tile.params for tile in members], [len(t.x) for t in members])
            assert isinstance(params, StructValue)
            whole = Group(file, params, x.astype(np.int32), y.astype(np.int32))
            groups.append(whole.part(np.argsort(y * self.width + x)))
        return sorted(groups, key=lambda group: (group.y[0], group.x[0]))


def enter(routes: core.Routes, config: ColorConfig, y: Coordinates, x: Coordinates) -> None:
    """Write the configuration of some PEs into the arrays of a color."""
    shape = routes.rx.shape
    routes.rx[y, x] = config.rx
    routes.tx[y, x] = config.tx
    if np.any(config.swap):
        routes.swap = np.zeros(shape, np.uint8) if routes.swap is None else routes.swap
        routes.swap[y, x] = config.swap
    if np.any(config.teardown):
        routes.teardown = np.zeros(shape, np.bool_) if routes.teardown is None else routes.teardown
        routes.teardown[y, x] = config.teardown
    if config.switches is not None:
        routes.switches = routes.switches or _no_switches(shape)
        _enter_switches(routes.switches, config.switches, y, x)
    if config.filter is not None:
        routes.filters = routes.filters or _no_filters(shape)
        for array, number in zip(_arrays(routes.filters), config.filter.numbers, strict=True):
            array[y, x] = number


def _enter_switches(
    switches: core.Switches, config: SwitchConfig, y: Coordinates, x: Coordinates
) -> None:
    for place in range(3):
        switches.rx[place, y, x] = config.rx[place]
        switches.tx[place, y, x] = config.tx[place]
    switches.valid[y, x] = config.valid
    switches.position[y, x] = config.position
    switches.ring[y, x] = config.ring
    switches.pop[y, x] = config.pop


def _no_switches(shape: tuple[int, ...]) -> core.Switches:
    def zeros() -> NDArray[np.uint8]:
        return np.zeros(shape, np.uint8)

    three = (3, *shape)
    return core.Switches(
        rx=np.zeros(three, np.uint8),
        tx=np.zeros(three, np.uint8),
        valid=zeros(),
        position=zeros(),
        ring=np.zeros(shape, np.bool_),
        pop=zeros(),
    )


def _arrays(filters: core.Filters) -> tuple[NDArray[np.generic], ...]:
    """The arrays of filters in the order of `FilterConfig.numbers`."""
    counted = (filters.kind, filters.count_data, filters.count_control, filters.filter_control)
    limits = (filters.init_counter, filters.limit1, filters.limit2, filters.max_counter)
    return (*counted, *limits, filters.min_idx, filters.max_idx)


def _no_filters(shape: tuple[int, ...]) -> core.Filters:
    def flags() -> NDArray[np.bool_]:
        return np.zeros(shape, np.bool_)

    def numbers(value: int = 0) -> NDArray[np.int32]:
        return np.full(shape, value, np.int32)

    return core.Filters(
        kind=np.zeros(shape, np.uint8),
        count_data=flags(),
        count_control=flags(),
        filter_control=flags(),
        init_counter=numbers(),
        limit1=numbers(),
        limit2=numbers(-1),
        max_counter=numbers(),
        min_idx=numbers(),
        max_idx=numbers(),
    )


@dataclass(slots=True)
class LayoutUse:
    """What the layout block has said so far.

    `staged` collects effects while a loop is tried for all its iterations at once; loops that
    cannot be run so are remembered in `sequential`.
    """

    rectangle: Location | None = None
    placement: Placement | None = None
    exports: dict[str, tuple[CslType, Location]] = field(default_factory=lambda: {})
    color_names: dict[str, int] = field(default_factory=lambda: {})  # of the layout's params
    staged: list[TileCode | tuple[int, ColorConfig, Coordinates, Coordinates]] | None = None
    sequential: set[int] = field(default_factory=lambda: set())

    def add_code(self, tile: TileCode) -> None:
        """Give PEs their code, now or when the loop has been run."""
        if self.staged is not None:
            self.staged.append(tile)
        else:
            assert self.placement is not None
            self.placement.add_code(tile)

    def add_color(self, color: int, config: ColorConfig, x: Coordinates, y: Coordinates) -> None:
        """Configure a color of PEs, now or when the loop has been run."""
        if self.staged is not None:
            self.staged.append((color, config, x, y))
        else:
            assert self.placement is not None
            self.placement.add_color(color, config, x, y)

    def commit(self) -> None:
        """Do what was staged."""
        staged, self.staged = self.staged or [], None
        for effect in staged:
            if isinstance(effect, TileCode):
                self.add_code(effect)
            else:
                self.add_color(*effect)
