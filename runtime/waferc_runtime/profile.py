"""Where cycles go: spans summed up by function and part of the wafer, and by PE.

A *part* are the PEs of one class in one region. Sums are kept for every function on every part;
single spans only of a few PEs of each part, the samples: in its corners and in its middle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.csl.core import Elaborated, PEClass
from waferc_runtime.observer import Observer, Span

Path = tuple[str, ...]
_DIRECTIONS: Final = ("east", "west", "north", "south")


@dataclass(frozen=True, slots=True)
class Area:
    """A named rectangle of PEs."""

    name: str
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Spent:
    """Cycles by what they went to; of one PE, or summed over PEs."""

    compute: int
    moving: int
    conflicts: int
    waiting: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.compute + self.moving + self.conflicts + self.waiting


@dataclass(frozen=True, slots=True)
class FunctionTotals:
    """A function on a part of the wafer, what it calls included.

    `path` are the functions that were under way, the task's first. `calls` counts PEs, each as
    often as it went through; `spent` are sums over all of these. It was first entered at `first`
    and last left at `last`; `begin`, `end` are means over all calls, `longest` is of the longest.
    """

    path: Path
    calls: int
    spent: Spent
    first: int
    last: int
    begin: float
    end: float
    longest: int


@dataclass(frozen=True, slots=True)
class SampledSpan:
    """One call on one PE."""

    path: Path
    begin: int
    end: int
    spent: Spent


@dataclass(frozen=True, slots=True)
class Sample:
    """All calls on one PE, outer ones after those that they make."""

    x: int
    y: int
    spans: tuple[SampledSpan, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """PEs of one class in one region: their number, their functions in order of `begin`.

    `operations` are asynchronous ones, on microthreads; their paths are the function that starts
    them and their name.
    """

    region: str
    file: str
    pes: int
    functions: tuple[FunctionTotals, ...]
    samples: tuple[Sample, ...]
    operations: tuple[FunctionTotals, ...] = ()


@dataclass(frozen=True, slots=True)
class ColorLoad:
    """What a color carried: words times links, over so many links, and over the busiest of them.

    That leads from PE (x, y) to `direction`.
    """

    color: int
    word_hops: int
    links: int
    busiest_words: int
    x: int
    y: int
    direction: Literal["east", "west", "north", "south"]


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """What a call went through, from cycle 0 of the call on.

    `spent` has compute, moving, conflicts and waiting of each PE [4, y, x]: together `cycles`.
    """

    cycles: int
    spent: NDArray[np.int64]
    parts: tuple[Part, ...]
    colors: tuple[ColorLoad, ...] = ()


@dataclass(slots=True)
class _Sums:
    calls: int = 0
    busy: int = 0
    moving: int = 0
    conflicts: int = 0
    begin: int = 0
    end: int = 0
    first: int = 1 << 62
    last: int = 0
    longest: int = 0

    def add(self, span: Span, here: NDArray[np.intp] | slice) -> None:
        begin, end = span.begin[here], span.end[here]
        self.calls += len(begin)
        self.busy += int(span.busy[here].sum())
        self.moving += int(span.moving[here].sum())
        self.conflicts += int(span.conflicts[here].sum())
        self.begin += int(begin.sum())
        self.end += int(end.sum())
        self.first = min(self.first, int(begin.min()))
        self.last = max(self.last, int(end.max()))
        self.longest = max(self.longest, int((end - begin).max()))

    def totals(self, path: Path, since: int) -> FunctionTotals:
        duration = self.end - self.begin
        return FunctionTotals(
            path,
            self.calls,
            _spent(duration, self.busy, self.moving, self.conflicts),
            self.first - since,
            self.last - since,
            (self.begin - since * self.calls) / self.calls,
            (self.end - since * self.calls) / self.calls,
            self.longest,
        )


@dataclass(eq=False, slots=True)
class _Place:
    """A part while it is being watched; `samples` are PEs by their number here."""

    area: str
    program: PEClass
    pes: int
    samples: list[tuple[int, int]]
    sums: dict[Path, _Sums] = field(default_factory=lambda: {})
    apart: dict[Path, _Sums] = field(default_factory=lambda: {})  # of asynchronous operations


class Profiler(Observer):
    """Sums up spans between `begin` and `end`; at other times it wants none."""

    wants_events = False

    def __init__(self, program: Elaborated, areas: Sequence[Area] = ()) -> None:
        self._shape = program.height, program.width
        self._classes = program.classes
        self._areas = areas
        self._since = 0
        self._loads: dict[int, NDArray[np.int64]] = {}
        self._places: list[_Place] = []
        self._places_of: dict[int, Sequence[int]] = {}  # by class (its id)
        self._place = np.zeros(0, np.int32)  # [y, x] number of the PE's part
        self._sample = np.zeros(0, np.int32)  # [y, x] number among samples, -1 of other PEs
        self._busy = np.zeros(0, np.int64)  # [3, y, x] busy, moving, conflicts
        self._spans: list[tuple[int, int, list[SampledSpan]]] = []  # of samples: x, y, calls

    def begin(self, cycle: int, loads: Mapping[int, NDArray[np.int64]] | None = None) -> None:
        """Watch from a cycle on at which the wafer is at rest; `loads` are of links by color."""
        self.wants_spans = True
        self._loads = dict(loads or {})
        self._since = cycle
        self._busy = np.zeros((3, *self._shape), np.int64)
        self._divide()

    def end(self, cycle: int, loads: Mapping[int, NDArray[np.int64]] | None = None) -> Profile:
        """What was seen until a cycle at which the wafer is at rest."""
        self.wants_spans = False
        cycles = cycle - self._since
        busy, moving, conflicts = self._busy
        spent = np.stack([busy - moving - conflicts, moving, conflicts, cycles - busy])
        calls = {(x, y): spans for x, y, spans in self._spans}
        parts = [
            Part(
                place.area,
                place.program.file,
                place.pes,
                _ordered(place.sums, self._since),
                tuple(Sample(x, y, tuple(calls[x, y])) for x, y in place.samples),
                _ordered(place.apart, self._since),
            )
            for place in self._places
        ]
        colors = [
            _color_load(color, load - self._loads.get(color, 0))
            for color, load in sorted((loads or {}).items())
        ]
        return Profile(cycles, spent, tuple(parts), tuple(c for c in colors if c.links))

    def span(self, span: Span) -> None:
        """Take one span."""
        numbers = self._places_of[id(span.program)]
        if len(numbers) == 1:
            self._add(numbers[0], span, slice(None))
        else:
            found = self._place[span.y, span.x]
            for number in numbers:
                here = np.flatnonzero(found == number)
                if len(here):
                    self._add(number, span, here)
        if span.is_apart:
            return
        if len(span.path) == 1:
            for row, part in enumerate((span.busy, span.moving, span.conflicts)):
                self._busy[row, span.y, span.x] += part
        samples = self._sample[span.y, span.x]
        for at in np.flatnonzero(samples >= 0).tolist():
            begin, end = int(span.begin[at]), int(span.end[at])
            spent = _spent(
                end - begin, int(span.busy[at]), int(span.moving[at]), int(span.conflicts[at])
            )
            call = SampledSpan(span.path, begin - self._since, end - self._since, spent)
            self._spans[int(samples[at])][2].append(call)

    def _add(self, number: int, span: Span, here: NDArray[np.intp] | slice) -> None:
        place = self._places[number]
        sums = place.apart if span.is_apart else place.sums
        sums.setdefault(span.path, _Sums()).add(span, here)

    def _divide(self) -> None:
        """Divide the PEs into parts, and choose samples."""
        area = np.full(self._shape, -1, np.int32)
        for number, one in enumerate(self._areas):
            area[one.y : one.y + one.height, one.x : one.x + one.width] = number
        self._places, self._places_of, self._spans = [], {}, []
        self._place = np.full(self._shape, -1, np.int32)
        self._sample = np.full(self._shape, -1, np.int32)
        for program in self._classes:
            own = area[program.y, program.x]
            first = len(self._places)
            for number in map(int, np.unique(own)):
                lanes = np.flatnonzero(own == number)
                x, y = program.x[lanes], program.y[lanes]
                name = program.file if number < 0 else self._areas[number].name
                samples = _corners(x, y)
                self._place[y, x] = len(self._places)
                self._places.append(_Place(name, program, len(lanes), samples))
                for column, row in samples:
                    self._sample[row, column] = len(self._spans)
                    self._spans.append((column, row, []))
            self._places_of[id(program)] = range(first, len(self._places))


def _ordered(sums: Mapping[Path, _Sums], since: int) -> tuple[FunctionTotals, ...]:
    found = [one.totals(path, since) for path, one in sums.items()]
    return tuple(sorted(found, key=lambda totals: (totals.begin, totals.path)))


def _color_load(color: int, load: NDArray[np.int64]) -> ColorLoad:
    direction, y, x = map(int, np.unravel_index(int(load.argmax()), load.shape))
    links = int(np.count_nonzero(load))
    most = int(load[direction, y, x])
    return ColorLoad(color, int(load.sum()), links, most, x, y, _DIRECTIONS[direction])


def _spent(duration: int, busy: int, moving: int, conflicts: int) -> Spent:
    return Spent(busy - moving - conflicts, moving, conflicts, duration - busy)


def _corners(x: NDArray[np.int32], y: NDArray[np.int32]) -> list[tuple[int, int]]:
    """PEs in the corners and in the middle of a set of PEs, each once."""
    middle = np.argmin((x - x.mean()) ** 2 + (y - y.mean()) ** 2)
    chosen = [np.argmin(x + y), np.argmax(x - y), middle, np.argmin(x - y), np.argmax(x + y)]
    return list(dict.fromkeys((int(x[lane]), int(y[lane])) for lane in chosen))
