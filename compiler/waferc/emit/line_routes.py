"""Routes of the collectives on a line of PEs; `line_links` tells which PE uses which color."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from waferc.emit.line_links import line_colors
from waferc.emit.routes import RouteGroup, Run, across
from waferc_ir.types import Axis, Line, Region


def line_routes(region: Region, axis: Axis, prefix: str) -> RouteGroup:
    """The routes of all lines along an axis; `prefix` makes color parameters the layout's names."""
    line = region.line(axis)
    low, high = ("WEST", "EAST") if axis == "x" else ("NORTH", "SOUTH")
    before = _Side(region, axis, prefix, line.root, inward=high, outward=low, is_far=False)
    behind = _Side(
        region, axis, prefix, line.pes - 1 - line.root, inward=low, outward=high, is_far=True
    )
    sides = [side for side in (before, behind) if side.pes]
    outward = ", ".join(side.outward for side in sides)
    here = range(line.root, line.root + 1)
    runs = [across(region, axis, here, f"{prefix}{axis}_all", "RAMP", outward)]
    for side in sides:
        runs += side.multicast()
        runs += side.leaders() if line.group else side.chain()
    how = f", groups of {line.group}" if line.group else ""
    return RouteGroup(f"{region.name}: along {axis} to PE {line.root} and back{how}", tuple(runs))


@dataclass(frozen=True)
class _Side:
    """The PEs on one side of the root, numbered from 1 by their distance from it."""

    region: Region
    axis: Axis
    prefix: str
    pes: int
    inward: str
    outward: str
    is_far: bool

    @property
    def line(self) -> Line:
        return self.region.line(self.axis)

    def _places(self, first: int, last: int, step: int = 1) -> range:
        """Places in the region of the PEs at distance `first`, `first + step`, ... up to `last`."""
        root = self.line.root
        count = max(0, (last - first) // step + 1)
        if self.is_far:
            return range(root + first, root + first + count * step, step)
        end = root - first
        return range(end - (count - 1) * step, end + 1, step)

    def _run(self, places: range, color: str, rx: str, tx: str, when: str = "") -> Iterator[Run]:
        if places:
            yield across(self.region, self.axis, places, color, rx, tx, when=when)

    def multicast(self) -> Iterator[Run]:
        """What the root sends to all."""
        color = f"{self.prefix}{self.axis}_all"
        yield from self._run(
            self._places(1, self.pes - 1), color, self.inward, f"{self.outward}, RAMP"
        )
        yield from self._run(self._places(self.pes, self.pes), color, self.inward, "RAMP")

    def chain(self) -> Iterator[Run]:
        """Every PE to its neighbour towards the root."""
        even, odd, _ = line_colors(self.axis, self.line)
        for name, first in ((even, 1 + (not self.is_far)), (odd, 1 + self.is_far)):
            color = self.prefix + name
            yield from self._run(self._places(first, self.pes, 2), color, "RAMP", self.inward)
            # who receives stands one PE nearer: the root too
            receivers = self._places(first - 1, self.pes - 1, 2)
            yield from self._run(receivers, color, self.outward, "RAMP")

    def leaders(self) -> Iterator[Run]:
        """The PEs of a group to their leader, leaders to the next, through those between."""
        even, odd, tree_even, tree_odd, _ = (
            self.prefix + name for name in line_colors(self.axis, self.line)
        )
        group, offset = self.line.group, int(self.is_far)
        far = self._distance()
        number = f"({far} + {group - 1}) / {group} + {offset}"
        inside = f"if (({far} + {offset}) % 2 == 0) {even} else {odd}"
        outside = f"if (({far} + {1 + offset}) % 2 == 0) {even} else {odd}"
        passed = f"if (({number} + 1) % 2 == 0) {tree_even} else {tree_odd}"
        is_leader = f"({far} + {group - 1}) % {group} == 0"
        members, senders = self._places(2, self.pes), self._places(1, self.pes - 1)
        yield from self._run(members, inside, "RAMP", self.inward, f"!({is_leader})")
        yield from self._run(senders, outside, self.outward, "RAMP", f"{far} % {group} != 0")
        last = (self.pes - 1) // group * group  # the outermost leader stands one behind
        for color, first in ((tree_even, 1 - offset), (tree_odd, offset)):
            senders = self._places(1 + first * group, self.pes, 2 * group)
            yield from self._run(senders, color, "RAMP", self.inward)
        nearest = tree_even if self.is_far else tree_odd
        yield from self._run(self._places(0, 0), nearest, self.outward, "RAMP")
        through = self._places(1, last)
        yield from self._run(through, passed, self.outward, "RAMP", is_leader)
        yield from self._run(through, passed, self.outward, self.inward, f"!({is_leader})")

    def _distance(self) -> str:
        """Distance from the root as CSL text, out of the column or row in the layout."""
        start = self.region.x if self.axis == "x" else self.region.y
        assert start is not None
        root = start + self.line.root
        return f"({self.axis} - {root})" if self.is_far else f"({root} - {self.axis})"
