"""Says on a terminal what is under way; says nothing where nobody looks."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TextIO


class Progress:
    """One line on `stream` that changes while work goes on. Silent unless `enabled`."""

    def __init__(self, stream: TextIO | None = None, *, enabled: bool | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._what = ""
        self._enabled = self._stream.isatty() if enabled is None else enabled

    @contextmanager
    def step(self, what: str) -> Generator[None]:
        """Shows `what` while the block runs, then how long it took."""
        start = time.perf_counter()
        self._what = what
        self._show(f"{what} ...")
        try:
            yield
        finally:
            self._show(f"{what}: {time.perf_counter() - start:.1f} s\n")

    def note(self, text: str) -> None:
        """Shows how far the work is that is under way."""
        self._show(f"{self._what}: {text} ...")

    def _show(self, text: str) -> None:
        if self._enabled:
            self._stream.write(f"\r\x1b[2K{text}")
            self._stream.flush()
