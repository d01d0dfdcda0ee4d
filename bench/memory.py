"""Memory of a run beside what its PEs declare: `python -m bench.memory [--only NAME] [--phantom]`.

Declared are the bytes of all variables of all PEs. Measured is the most that the process held while
the engine was made and ran, beyond what it held before: the elaborated program counts as before.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType

from bench.measure import Cost, apart, cost_of
from bench.programs import gemm, gemv, reduce, stencil
from bench.programs.parts import Program
from waferc_ir.machine import MACHINES
from waferc_runtime.csl.core import Elaborated
from waferc_runtime.csl.elaborate import elaborate
from waferc_runtime.vector.engine import VectorEngine

PROGRAMS: Mapping[str, Callable[[], Program]] = MappingProxyType(
    {
        "gemm 64 x 64 PEs, tiles 48 x 48": lambda: gemm.program(64, 48, "f32", 1),
        "gemv 128 x 128 PEs, tiles 64 x 64": lambda: gemv.program(128, 128, 64, 64),
        "stencil 128 x 128 PEs, depth 1500": lambda: stencil.program(128, 128, 1500, 2),
        "reduce 128 x 128 PEs, 8000 words": lambda: reduce.program(128, 128, 8000),
    }
)


def declared_bytes(program: Elaborated) -> int:
    """Bytes of all variables of all PEs."""
    return sum(
        len(pe_class.x) * sum(2 * item.count * item.element.words for item in pe_class.objects)
        for pe_class in program.classes
    )


def run(name: str, phantom: bool) -> tuple[Cost, int]:
    """What a run costs, and the bytes that its PEs declare."""
    program = PROGRAMS[name]()
    elaborated = elaborate(program.sources, "layout.csl", MACHINES["wse2"], {})

    def work() -> None:
        engine = VectorEngine(elaborated, MACHINES["wse2"], phantom=phantom)
        for symbol, array in program.inputs.items():
            engine.write(symbol, 0, 0, array)
        engine.launch(program.entry)

    return cost_of(work), declared_bytes(elaborated)


def main() -> None:
    """Print a line for each program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=list(PROGRAMS), action="append")
    parser.add_argument("--phantom", action="store_true")
    options = parser.parse_args()
    for name in options.only or PROGRAMS:
        cost, declared = apart(run, name, options.phantom)
        ratio = cost.peak_bytes / declared
        sys.stdout.write(
            f"{name}: declared {declared / 2**20:,.0f} MiB, held"
            f" {cost.peak_bytes / 2**20:,.0f} MiB ({ratio:.2f} x), {cost.cpu_seconds:.1f} s\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
