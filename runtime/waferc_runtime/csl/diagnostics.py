"""Errors of the CSL front end, and the signals that it raises inside itself."""

from __future__ import annotations

import difflib
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import Location, WaferError, collect

MAX_PROBLEMS = 20


class CslError(WaferError):
    """Something is wrong in CSL text, or in the params given to it."""

    code = "csl"


def not_supported(what: str, at: Location, help: str | None = None) -> CslError:
    """The error for a construct that is CSL, but that the front end does not know."""
    return CslError(f"{what} is not supported", at, help=help)


def suggestion(name: str, known: Iterable[str]) -> str | None:
    """A help line with the names most like `name`, or None."""
    close = difflib.get_close_matches(name, list(known), n=3)
    return f"did you mean {' or '.join(close)}?" if close else None


class Split(Exception):  # noqa: N818 - a signal, not an error
    """A value that differs between PEs is needed where it must be the same for all.

    `groups` gives each PE of the class a number; PEs of one number see the same value.
    """

    def __init__(self, groups: NDArray[np.intp]) -> None:
        super().__init__("PEs differ")
        self.groups = groups  # [pe]


class Poisoned(Exception):  # noqa: N818 - a signal, not an error
    """Something is used whose definition has already been reported as wrong."""


@dataclass(slots=True)
class Problems:
    """Collects independent problems; the same problem at the same place is kept once."""

    errors: list[WaferError] = field(default_factory=lambda: [])
    seen: set[tuple[str, str]] = field(default_factory=lambda: set())

    def add(self, error: WaferError) -> None:
        """Keep `error` unless it is known already or there are enough."""
        key = (error.message, str(error.at))
        if key not in self.seen and len(self.errors) < MAX_PROBLEMS:
            self.seen.add(key)
            self.errors.append(error)

    def forget(self, count: int) -> None:
        """Drop all but the first `count` problems."""
        self.errors = self.errors[:count]
        self.seen = {(error.message, str(error.at)) for error in self.errors}

    @contextmanager
    def collecting(self) -> Generator[None]:
        """Keep an error that is raised inside, and go on behind the `with`."""
        try:
            yield
        except WaferError as error:
            self.add(error)
        except Poisoned:
            pass

    def check(self) -> None:
        """Raise everything that was collected, if anything was."""
        error = collect(self.errors)
        if error is not None:
            raise error
