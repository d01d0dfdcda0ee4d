"""Numbers for the colors of a layout: connected colors are one, colors that meet differ."""

from __future__ import annotations

from collections.abc import Iterable

from waferc_ir.machine import Machine
from waferc_runtime.host.errors import HostError
from waferc_runtime.host.layout.geometry import IntVector
from waferc_runtime.host.layout.routing import Color

# Colors with switches on wse3 (csl.md 8.3).
_SWITCHABLE_WSE3 = (*range(10), 12, 13, 16, 17, 20, 21)


class Colors:
    """All colors of a layout, in classes of those that must have one number."""

    def __init__(self) -> None:
        self._colors: dict[str, list[Color]] = {}
        self._parent: dict[str, str] = {}
        self._places: dict[str, set[IntVector]] = {}
        self._switched: set[str] = set()

    def add(self, color: Color) -> str:
        """The class of a color, which is known from now on."""
        name = color.get_global_name()
        same = self._colors.setdefault(name, [])
        if color not in same:
            same.append(color)
        self._parent.setdefault(name, name)
        return self.find(name)

    def find(self, name: str) -> str:
        """The name that stands for the class of a color."""
        while self._parent[name] != name:
            name = self._parent[name]
        return name

    def join(self, one: Color, other: Color) -> None:
        """Let two colors have one number."""
        first, second = self.add(one), self.add(other)
        self._parent[second] = first

    def use(self, color: Color, place: IntVector, switched: bool = False) -> None:
        """Note that PE `place` uses a color, perhaps with a switch."""
        name = self.add(color)
        self._places.setdefault(name, set()).add(place)
        if switched:
            self._switched.add(name)

    def places(self, color: Color) -> set[IntVector]:
        """All PEs that use the class of a color."""
        name = self.add(color)
        return {
            place for other, where in self._places.items() if self.find(other) == name
            for place in where
        }  # fmt: skip

    def assign(self, machine: Machine) -> dict[str, int]:
        """A number for each class, which its colors get too; the lowest that no neighbour has.

        Raises:
            HostError: numbers that were given contradict one another, or there are not enough.
        """
        classes: dict[str, list[Color]] = {}
        for name, same in self._colors.items():
            classes.setdefault(self.find(name), []).extend(same)
        where = {name: self.places(colors[0]) for name, colors in classes.items()}
        switched = {self.find(name) for name in self._switched}
        numbers = {
            name: given for name, colors in classes.items() if (given := _given(colors)) is not None
        }
        self._check_given(numbers, where)
        routable = [n for n in range(machine.colors) if n not in machine.reserved_colors]
        for name in sorted(classes, key=lambda n: n not in switched):
            if name in numbers:
                continue
            taken = {
                number
                for other, number in numbers.items()
                if not where[name].isdisjoint(where[other])
            }
            known = routable
            if name in switched and machine.arch == "wse3":
                known = [n for n in routable if n in _SWITCHABLE_WSE3]
            free = [number for number in known if number not in taken]
            if not free:
                raise HostError(
                    f"no color number is left for {name}",
                    notes=[f"it meets {len(taken)} other colors, and there are {len(known)}"],
                )
            numbers[name] = free[0]
        for name, colors in classes.items():
            for color in colors:
                color.value = numbers[name]
        return numbers

    def _check_given(self, numbers: dict[str, int], where: dict[str, set[IntVector]]) -> None:
        names = sorted(numbers)
        for index, one in enumerate(names):
            for other in names[index + 1 :]:
                met = where[one] & where[other]
                if numbers[one] == numbers[other] and met:
                    place = min(met, key=lambda p: (p.y, p.x))
                    raise HostError(
                        f"the colors {one} and {other} are both {numbers[one]} "
                        f"and meet on PE ({place.x}, {place.y})"
                    )


def _given(colors: Iterable[Color]) -> int | None:
    given = {color.value: color for color in colors if color.value is not None}
    if len(given) > 1:
        names = " and ".join(f"{c.get_global_name()} = {v}" for v, c in given.items())
        raise HostError(f"connected colors have different numbers: {names}")
    return next(iter(given), None)
