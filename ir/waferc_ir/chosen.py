"""The choice of an entry by its name: of a program, and of a bundle that was made of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from waferc_ir.diagnostics import WaferError


class EntryError(WaferError):
    """There is no such entry, or it is not said which of several is meant."""

    code = "entry"


class _Labelled(Protocol):
    @property
    def label(self) -> str: ...


E = TypeVar("E", bound=_Labelled)


def chosen(entries: Sequence[E], label: str | None, owner: str) -> E:
    """The entry called `label`; None stands for the only one. `owner` has them, in messages.

    Raises:
        EntryError: there is none of that name, or several and none is named.
    """
    for entry in entries:
        if label == entry.label or (label is None and len(entries) == 1):
            return entry
    if label is None:
        message = f"{owner} has {len(entries)} entries, and none is named"
    else:
        message = f"{owner} has no entry {label!r}"
    raise EntryError(message, help=f"its entries: {', '.join(entry.label for entry in entries)}")
