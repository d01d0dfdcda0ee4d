"""How fast the engines are: `python -m bench.engine [--sizes 8 64] [--only gemm] [--reference 64]`.

A line for each program and size: the time of the vector engine, PE-operations per second (results
of arithmetic and wavelets sent, over all PEs), and how that compares with NumPy doing the same
arithmetic on whole arrays and with the reference engine. CPU seconds of one thread, without the
elaboration of the program; all of it in one process, one after the other.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from bench.programs import gemm, gemv, reduce, stencil
from bench.programs.parts import Array, Program
from waferc_ir.machine import MACHINES, Machine
from waferc_runtime.csl.core import Elaborated
from waferc_runtime.csl.elaborate import elaborate
from waferc_runtime.reference.engine import ReferenceEngine
from waferc_runtime.statistics import Statistics
from waferc_runtime.vector.engine import VectorEngine

Make = Callable[[int], Program]
_LONG_SECONDS = 2.0  # a run that takes longer is not disturbed by what else goes on

# what is run at `n` x `n` PEs: for the vector engine, and, small, for the reference engine as well
PROGRAMS: Mapping[str, tuple[Make, Make]] = MappingProxyType(
    {
        "reduce": (lambda n: reduce.program(n, n, 64), lambda n: reduce.program(n, n, 4)),
        "gemv": (lambda n: gemv.program(n, n, 32, 32), lambda n: gemv.program(n, n, 4, 4)),
        "stencil": (
            lambda n: stencil.program(n, n, 128, 10),
            lambda n: stencil.program(n, n, 8, 1),
        ),
        "gemm f32": (lambda n: gemm.program(n, 32, "f32", _steps(n)), lambda n: _small(n, "f32")),
        "gemm f16": (lambda n: gemm.program(n, 32, "f16", _steps(n)), lambda n: _small(n, "f16")),
    }
)


def _steps(pes: int) -> int:
    """Steps of a GEMM that take not much longer on many PEs than on few."""
    return max(1, min(pes, 4096 // (pes * pes)))


def _small(pes: int, type: gemm.Type) -> Program:
    return gemm.program(pes, 4, type, 1)


@dataclass(frozen=True, slots=True)
class Run:
    """What a run took and did."""

    seconds: float
    operations: int
    cycles: int

    @property
    def rate(self) -> float:
        """PE-operations per second."""
        return self.operations / self.seconds


def operations(statistics: Statistics) -> int:
    """Results of arithmetic (a multiply-add is one) and wavelets sent."""
    return statistics.flops - statistics.macs + statistics.wavelets_sent


def run(program: Program, elaborated: Elaborated, machine: Machine, engine: str) -> Run:
    """Run a program and check what comes out.

    Raises:
        AssertionError: it is not what NumPy finds.
    """
    made = (VectorEngine if engine == "vector" else ReferenceEngine)(elaborated, machine)
    for symbol, array in program.inputs.items():
        made.write(symbol, 0, 0, array)
    begin = time.process_time()
    made.launch(program.entry)
    seconds = time.process_time() - begin
    for symbol, array in program.plain().items():
        height, width, count = array.shape
        found: Array = made.read(symbol, program.width - width, 0, width, height, count)
        close = 1e-4 if array.dtype == np.float32 else 0.1
        assert np.allclose(found, array, rtol=close, atol=close), symbol
    statistics = made.statistics()
    return Run(seconds, operations(statistics), statistics.cycles)


def best(program: Program, elaborated: Elaborated, machine: Machine) -> Run:
    """The quickest of three runs of the vector engine; one run where that takes seconds."""
    runs = [run(program, elaborated, machine, "vector")]
    while len(runs) < 3 and runs[0].seconds < _LONG_SECONDS:
        runs.append(run(program, elaborated, machine, "vector"))
    return min(runs, key=lambda one: one.seconds)


def plain_seconds(program: Program) -> float:
    """CPU seconds of NumPy on whole arrays, the better of two."""
    times: list[float] = []
    for _ in range(2):
        begin = time.process_time()
        program.plain()
        times.append(time.process_time() - begin)
    return min(times)


def compare(name: str, size: int, machine: Machine, with_reference: bool) -> None:
    """Run one program and print its line."""
    make, make_small = PROGRAMS[name]
    program = make(size)
    mine = best(program, _elaborated(program, machine), machine)
    plain = plain_seconds(program)
    columns = [
        f"{name:9}",
        f"{size:3} x {size:<3}",
        f"{mine.cycles:9,}",
        f"{mine.seconds:8.3f} s",
        f"{mine.rate / 1e6:8.1f} M/s",
        f"{mine.seconds / plain:6.1f} x NumPy",
    ]
    if with_reference:
        small = make_small(size)
        elaborated = _elaborated(small, machine)
        fast = best(small, elaborated, machine)
        slow = run(small, elaborated, machine, "reference")
        columns.append(
            f"reference {slow.rate / 1e3:5.1f} k/s ({slow.seconds:.1f} s):"
            f" {mine.rate / slow.rate:,.0f} x"
            f" (same program: {slow.seconds / fast.seconds:,.0f} x)"
        )
    sys.stdout.write("  ".join(columns) + "\n")
    sys.stdout.flush()


def _elaborated(program: Program, machine: Machine) -> Elaborated:
    return elaborate(program.sources, "layout.csl", machine, {})


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 16, 32, 64, 128, 256])
    parser.add_argument("--only", choices=list(PROGRAMS), action="append")
    parser.add_argument("--arch", choices=sorted(MACHINES), default="wse2")
    parser.add_argument("--reference", type=int, nargs="*", default=[64], help="sizes to compare")
    options = parser.parse_args()
    sys.stdout.write("program    PEs         cycles    seconds   PE-operations\n")
    for name in options.only or PROGRAMS:
        for size in options.sizes:
            compare(name, size, MACHINES[options.arch], size in options.reference)


if __name__ == "__main__":
    main()
