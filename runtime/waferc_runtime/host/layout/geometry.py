"""Places and rectangles of PEs, as the vendor's `cerebras.geometry.geometry` has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from waferc_runtime.host.errors import HostError

__all__ = ["IntRectangle", "IntVector"]


@dataclass(frozen=True, slots=True)
class IntVector:
    """A place: column and row."""

    x: int
    y: int

    def __iter__(self) -> Iterator[int]:
        return iter((self.x, self.y))


@dataclass(frozen=True, slots=True)
class IntRectangle:
    """The PEs from `origin` to before `corner`.

    The documentation calls the second argument width and height; the public programs give the
    corner behind the last PE, and mean it.
    """

    origin: IntVector
    corner: IntVector

    @property
    def width(self) -> int:
        """Columns."""
        return self.corner.x - self.origin.x

    @property
    def height(self) -> int:
        """Rows."""
        return self.corner.y - self.origin.y

    def places(self) -> Iterator[IntVector]:
        """All PEs, row by row."""
        for y in range(self.origin.y, self.corner.y):
            for x in range(self.origin.x, self.corner.x):
                yield IntVector(x, y)

    def overlaps(self, other: IntRectangle) -> bool:
        """Whether some PE is in both."""
        return (
            self.origin.x < other.corner.x
            and other.origin.x < self.corner.x
            and self.origin.y < other.corner.y
            and other.origin.y < self.corner.y
        )


def rectangle(x: int, y: int, width: int, height: int) -> IntRectangle:
    """The rectangle of so many PEs whose north-west PE is (x, y)."""
    return IntRectangle(IntVector(x, y), IntVector(x + width, y + height))


def vector(place: object) -> IntVector:
    """A place that a script gave as an IntVector or a pair. Raises HostError if it is none."""
    if isinstance(place, IntVector):
        return place
    if isinstance(place, tuple) and len(place) == 2:  # pyright: ignore[reportUnknownArgumentType]
        x, y = place  # pyright: ignore[reportUnknownVariableType]
        if isinstance(x, int) and isinstance(y, int):
            return IntVector(x, y)
    raise HostError(f"{place!r} is no place of a PE", help="give an IntVector")
