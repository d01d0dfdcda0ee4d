"""How long the layout of a whole wafer takes: `python -m bench.layout [--width W] [--height H]`."""

from __future__ import annotations

import argparse
import sys

import numpy as np

from bench.measure import Cost, apart, cost_of
from bench.programs.wafer_layout import Style, sources
from waferc_ir.machine import MACHINES
from waferc_runtime.csl.elaborate import elaborate

STYLES: tuple[Style, ...] = ("ranges", "counters")


def elaboration(style: Style, width: int, height: int, arch: str, has_switches: bool) -> Cost:
    """What the elaboration of the program costs."""
    files = sources(width, height, style, has_switches)

    def work() -> None:
        program = elaborate(files, "layout.csl", MACHINES[arch], {})
        settings = sum(int(np.count_nonzero(r.rx | r.tx)) for r in program.routes.values())
        per_pe = settings / (width * height)
        sys.stdout.write(f"{len(program.classes)} classes, {per_pe:.1f} settings per PE: ")

    return cost_of(work)


def main() -> None:
    """Measure both styles and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=750)
    parser.add_argument("--height", type=int, default=994)
    parser.add_argument("--arch", choices=sorted(MACHINES), default="wse2")
    parser.add_argument("--style", choices=STYLES, action="append")
    parser.add_argument("--no-switches", action="store_true")
    options = parser.parse_args()
    for style in options.style or STYLES:
        sys.stdout.write(f"{style}, {options.width} x {options.height} PEs, {options.arch}: ")
        sys.stdout.flush()
        size = options.width, options.height
        cost = apart(elaboration, style, *size, options.arch, not options.no_switches)
        sys.stdout.write(
            f"{cost.cpu_seconds:.1f} s of CPU, {cost.wall_seconds:.1f} s,"
            f" {cost.peak_bytes / 2**30:.2f} GiB\n"
        )


if __name__ == "__main__":
    main()
