"""A FIFO in a PE's memory: a ring of words with the cycles at which they came and went."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from waferc_runtime.csl import core
from waferc_runtime.reference.memory import Block


@dataclass(eq=False, slots=True)
class Ring:
    """The state of a FIFO. An element pushed, or room made, at cycle t is there at t + 1.

    `read_length`, `write_length` are the lengths that it has as source and as destination.
    `was_full`, `was_empty`: somebody found it so, and nobody has been told that it is not.
    """

    fifo: core.Fifo
    block: Block
    read_length: int = 0
    write_length: int = 0
    was_full: bool = False
    was_empty: bool = False
    _first: int = 0  # place of the word that leaves next
    _came: deque[int] = field(default_factory=lambda: deque())  # cycle from which a word is there
    _went: deque[int] = field(default_factory=lambda: deque())  # likewise for free places

    def __post_init__(self) -> None:
        self._went.extend([0] * len(self.block.words))

    def elements_from(self, words: int) -> int | None:
        """The cycle from which the next `words` words are there; None if they are not."""
        return None if len(self._came) < words else self._came[words - 1]

    def room_from(self, words: int) -> int | None:
        """The cycle from which there is room for `words` words; None if there is none."""
        return None if len(self._went) < words else self._went[words - 1]

    def push(self, bits: int, words: int, now: int) -> None:
        """Append an element of `words` words."""
        for place in range(words):
            self._went.popleft()
            target = (self._first + len(self._came)) % len(self.block.words)
            self.block.words[target] = (bits >> (16 * place)) & 0xFFFF
            self._came.append(now + 1)

    def pop(self, words: int, now: int) -> int:
        """Take the first element of `words` words."""
        bits = 0
        for place in range(words):
            self._came.popleft()
            bits |= int(self.block.words[self._first]) << (16 * place)
            self._first = (self._first + 1) % len(self.block.words)
            self._went.append(now + 1)
        return bits
