"""What a layout says about its PEs, as arrays over the rectangle: code, params, routes, exports."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import core
from waferc_runtime.csl.diagnostics import CslError
from waferc_runtime.csl.types import CslType
from waferc_runtime.csl.values import KindKey, StructValue, concatenate, kind_of, take

Coordinates = NDArray[np.intp]  # [pe]


@dataclass(frozen=True, slots=True)
class ColorConfig:
    """Routes of one color: masks of directions, and where they were given."""

    rx: int
    tx: int
    at: Location


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
        self._routes[color].rx[y, x] = config.rx
        self._routes[color].tx[y, x] = config.tx

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


@dataclass(slots=True)
class LayoutUse:
    """What the layout block has said so far.

    `staged` collects effects while a loop is tried for all its iterations at once; loops that
    cannot be run so are remembered in `sequential`.
    """

    rectangle: Location | None = None
    placement: Placement | None = None
    exports: dict[str, tuple[CslType, Location]] = field(default_factory=lambda: {})
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
