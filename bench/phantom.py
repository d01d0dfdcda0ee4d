"""Phantom mode on large wafers: `python -m bench.phantom [--width W] [--height H]`.

The cycles of an all-reduce of `--words` numbers and of a GEMV with tiles of 16 x 16 on all PEs,
without data: seconds, and the most bytes that the engine held.
"""

from __future__ import annotations

import argparse
import sys

from bench.measure import Cost, apart, cost_of
from bench.programs import gemv, reduce
from bench.programs.parts import Program
from waferc_ir.machine import MACHINES
from waferc_runtime.csl.elaborate import elaborate
from waferc_runtime.vector.engine import VectorEngine


def run(name: str, width: int, height: int, words: int) -> tuple[Cost, int]:
    """What a run costs, and the cycles it tells."""
    program = _program(name, width, height, words)
    elaborated = elaborate(program.sources, "layout.csl", MACHINES["wse2"], {})
    cycles: list[int] = []

    def work() -> None:
        engine = VectorEngine(elaborated, MACHINES["wse2"], phantom=True)
        engine.launch(program.entry)
        cycles.append(engine.statistics().cycles)

    return cost_of(work), cycles[0]


def _program(name: str, width: int, height: int, words: int) -> Program:
    if name == "reduce":
        return reduce.program(width, height, words)
    return gemv.program(width, height, 16, 16)


def main() -> None:
    """Print a line for each program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=750)
    parser.add_argument("--height", type=int, default=994)
    parser.add_argument("--words", type=int, default=1024)
    options = parser.parse_args()
    for name in ("reduce", "gemv"):
        cost, cycles = apart(run, name, options.width, options.height, options.words)
        sys.stdout.write(
            f"{name}, {options.width} x {options.height} PEs: {cycles:,} cycles,"
            f" {cost.cpu_seconds:.1f} s of CPU, {cost.peak_bytes / 2**30:.2f} GiB\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
