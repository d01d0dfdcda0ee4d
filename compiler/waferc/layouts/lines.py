"""Collectives on a line of PEs: what they cost, and where root and leaders should be.

Let `W` be wavelets per PE, `S` and `s2` = `dsd_setup_cycles` with three and two loads of
descriptors, `s0` without, where they are loaded ahead, `reach(h)` = `2 * ramp_cycles + 1 + h *
hop_cycles` the time of a word over `h` hops, from processing to processing, `L` the PEs on the
longer side of the root, `s` the PEs of a group and `n` = `L / s` the leaders of a side.

| part | cycles |
|---|---|
| chain to the root | `S + L * reach(1) + W` |
| with groups | `S + (s-1) * reach(1) + max(s0+W, reach(s)) + (n-2) * reach(s) + reach(1) + W` |
| the other side, and the root's multicast | `2 * (s0 + W) + reach(L)` |
| all_gather of `T` wavelets in blocks | the same with no `W`, `2 * T`, `s2` per block or leader |

The first three follow the fit of SpMM_Cerebras' measurements (wse-hardware.md, 2.2a) for either
side; the root takes in one side after the other. In an all_gather every PE that has a block begins
to send it when it has sent all others: `s2` for each of the blocks of a side or, with groups, of a
group, and twice for each leader of PEs that have some.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from waferc_ir.dtypes import DType
from waferc_ir.machine import Machine
from waferc_ir.types import Line


def wavelets(elements: int, dtype: DType) -> int:
    """Wavelets that a message of `elements` takes: 16-bit elements travel in pairs."""
    narrow = dtype in (DType.F16, DType.I16)
    return -(-elements // 2) if narrow else elements


@dataclass(frozen=True)
class LineCost:
    """Cycles of collectives on one line of a machine."""

    machine: Machine
    line: Line

    def _setup(self, descriptors: int) -> int:
        """Before the first element of an operation."""
        return self.machine.dsd_setup_cycles + descriptors * self.machine.dsr_load_cycles

    def reach(self, hops: int) -> int:
        """From processing a word to processing it `hops` PEs on."""
        machine = self.machine
        return 2 * machine.ramp_cycles + 1 + hops * machine.hop_cycles

    def all_reduce(self, words: int) -> int:
        """The reduction of `words` wavelets per PE, known to all."""
        line, setup = self.line, self._setup(3)
        if line.pes == 1:
            return 0
        ready = self._setup(0)
        second = ready + words if 0 < line.root < line.pes - 1 else 0
        return setup + self._arrival(words) + second + ready + words + self.reach(line.side)

    def all_reduces(self, words: Sequence[int]) -> int:
        """Several reductions on their way together."""
        between = 2 * self._setup(0) * (len(words) - 1)
        return 0 if self.line.pes == 1 else self.all_reduce(sum(words)) + between

    def _arrival(self, words: int) -> int:
        """When the root has processed the last word of its longer side."""
        side, group, ready = self.line.side, self.line.group, self._setup(0)
        if group == 0 or group >= side:
            return side * self.reach(1) + words
        leaders = -(-side // group)
        gathered = (group - 1) * self.reach(1) + max(ready + words, self.reach(group))
        return gathered + (leaders - 2) * self.reach(group) + self.reach(1) + words

    def all_gather(self, total: int, blocks: int) -> int:
        """The tiles of the first `blocks` PEs, `total` wavelets together, told to all."""
        line = self.line
        if line.pes == 1:
            return 0
        operations = blocks = min(line.side, blocks)
        if 0 < line.group < line.side:
            operations = min(line.group, blocks) + 2 * -(-blocks // line.group)
        return self.all_reduce(0) + 2 * total + operations * self._setup(2)


@dataclass(frozen=True)
class Demand:
    """What a line is for: wavelets per PE of all_reduces; all wavelets and blocks of gathers."""

    reductions: tuple[int, ...] = ()
    gathers: tuple[tuple[int, int], ...] = ()

    def cycles(self, cost: LineCost) -> int:
        """Cycles of all of them."""
        reductions = sum(map(cost.all_reduce, self.reductions))
        return reductions + sum(cost.all_gather(*gather) for gather in self.gathers)


def best_line(machine: Machine, pes: int, demand: Demand, *, grouped: bool) -> Line:
    """The line that serves a demand in the fewest cycles; with groups only if `grouped`."""
    return min(
        _lines(pes, grouped=grouped), key=lambda line: demand.cycles(LineCost(machine, line))
    )


def _lines(pes: int, *, grouped: bool) -> Iterator[Line]:
    """Chains first, so that groups must be worth their colors."""
    roots = (pes - 1,) if pes < 3 else (pes - 1, pes // 2)
    yield from (Line(pes, root) for root in roots)
    if grouped:
        for root in roots:
            # the best group has about sqrt(side) PEs, less for messages that take long to add
            top = 2 * math.isqrt(root) + 2
            yield from (Line(pes, root, group) for group in range(2, min(top, root // 2) + 1))


def usual_lines(machine: Machine, pes: int) -> Sequence[Line]:
    """Lines between which the search for layouts reckons: for short and for long messages."""
    found = (best_line(machine, pes, Demand((words,)), grouped=True) for words in (1, 16, 4096))
    return tuple(dict.fromkeys(found))
