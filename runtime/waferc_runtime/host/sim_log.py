"""`sim.log`: what programs print through `<simprint>`, as the vendor's simulator writes it."""

from __future__ import annotations

from pathlib import Path

from waferc_runtime.host.artifact import Artifact
from waferc_runtime.host.errors import HostError
from waferc_runtime.observer import Event, Observer, PrintEvent

FILE = "sim.log"


class SimLog(Observer):
    """Writes printed lines to `sim.log` in the working folder.

    Each line is written at once, so that it is there when a program stalls; `close` puts them in
    the order of cycles.

    Raises:
        HostError: the file cannot be written.
    """

    def __init__(self) -> None:
        self._path = Path(FILE).absolute()
        self._lines: list[tuple[int, str]] = []
        self._write("w", "")

    def event(self, event: Event) -> None:
        """Write a printed line."""
        if isinstance(event, PrintEvent):
            line = f"@{event.cycle} {event.text}\n"
            self._lines.append((event.cycle, line))
            self._write("a", line)

    def close(self) -> None:
        """Put the lines in order."""
        self._write("w", "".join(line for _, line in sorted(self._lines, key=lambda one: one[0])))

    def _write(self, mode: str, text: str) -> None:
        try:
            with self._path.open(mode, encoding="utf-8") as file:
                file.write(text)
        except OSError as problem:
            raise HostError(f"cannot write {FILE}: {problem.strerror or problem}") from None


def sim_log(artifact: Artifact) -> SimLog | None:
    """A log for a program that can print; None for others."""
    can_print = any("<simprint>" in text for text in artifact.sources.values())
    return SimLog() if can_print else None
