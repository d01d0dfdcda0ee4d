"""Places in source text and the one error class that users see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a text file: 1-based line and column, and how many characters are meant.

    `text` is the source line, when it is at hand, so that an excerpt needs no file access.
    """

    file: str
    line: int
    column: int = 1
    width: int = 1
    text: str | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class WaferError(Exception):
    """Something in the user's input is wrong: what, where, why with numbers, what to do.

    One subclass per stage gives its short `code`. `related` holds further independent
    problems that were found in the same run; they are printed with the first.
    """

    code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        at: Location | None = None,
        *,
        notes: Sequence[str] = (),
        help: str | None = None,
        related: Sequence[WaferError] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.notes = tuple(notes)
        self.help = help
        self.related = tuple(related)

    def __str__(self) -> str:
        return self.render()

    def render(self) -> str:
        """The full text: headline, excerpt with carets, notes, help, then related problems."""
        lines = [f"error[{self.code}]: {self.message}"]
        if self.at is not None:
            lines.append(f" --> {self.at}")
            if self.at.text is not None:
                lines += _excerpt(self.at, self.at.text)
        lines += [f"  = note: {note}" for note in self.notes]
        if self.help is not None:
            lines.append(f"  = help: {self.help}")
        blocks = ["\n".join(lines), *(problem.render() for problem in self.related)]
        return "\n\n".join(blocks)


_EXCERPT_CHARACTERS = 160


def _excerpt(at: Location, text: str) -> list[str]:
    margin = " " * len(str(at.line))
    line = text.rstrip("\n").replace("\t", " ")
    before = at.column - 1
    # a long line is shown around the place, so that the carets stay in sight
    start = 0 if len(line) <= _EXCERPT_CHARACTERS else max(0, before - _EXCERPT_CHARACTERS // 2)
    shown = line[start : start + _EXCERPT_CHARACTERS]
    lead = "..." if start else ""
    trail = "..." if start + _EXCERPT_CHARACTERS < len(line) else ""
    offset = before - start
    carets = "^" * max(1, min(at.width, len(shown) - offset))
    return [
        f"{margin} |",
        f"{at.line} | {lead}{shown}{trail}".rstrip(),
        f"{margin} | {' ' * (len(lead) + offset)}{carets}",
    ]


def collect(problems: Sequence[WaferError]) -> WaferError | None:
    """One error out of many: the first, with the others as related; None if there are none."""
    if not problems:
        return None
    first, *others = problems
    first.related = (*first.related, *others)
    return first


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 element`, `2,048 elements`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
