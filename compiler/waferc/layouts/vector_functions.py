"""Functions of f16 vectors, written with DSD operations: what they do, step by step, and cycles.

A function on scalars costs its operations for every element; four elements of f16 go through an
operation on vectors in one cycle, and what an operation costs beside is paid per vector. All steps
round to f16. Measured over all f16 numbers (tests/compiler/emit/test_vector_functions.py), in
units of 2^-11 of results that are normal numbers: `exp` is off by 3.2 at most (root mean square
0.9), `sigmoid` by 4.0 (0.6), `silu` by 4.6 (0.8), `gelu_tanh` by 20 (1.1), at -3.4, where its
exponential has a large argument, rounded; results that are no normal numbers are off by 8 units
of 2^-24 at most.

`exp` is the square of exp(x / 2) = 2^n p(r), r = x / 2 - n ln(2): halved, so that small results
are rounded by a product instead of being cut off. Adding 1536 to a number rounds it to an integer,
the lowest bits of which are then the lowest of the sum: shifted to the exponent and added to the
bits of a number, they multiply it by 2^n.

The logistic function is q / (p + q) for p = exp(-z), q = exp(z), z half the argument: neither is
too large for f16, and no sum cancels. Both come from one n, as C + S and C - S, the even and odd
parts of a polynomial. The reciprocal begins with a guess by the exponent, 12 % off; the first of
two steps of Newton's aims at the middle of what the guess may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from waferc_ir.machine import Machine
from waferc_runtime.builtins.banks import Walk
from waferc_runtime.builtins.dsd import DSD_OPS
from waferc_runtime.builtins.timing import memory_operation_cycles

_REGISTERS = 8  # of each file that are known to be there
LANES = 128  # elements at once: that many of each vector of intermediate results are in memory


@dataclass(frozen=True, slots=True)
class Step:
    """`@operation(dest, sources...)`: names of vectors, or scalars.

    `x` is the argument and `out` the result, which may be one; all others are intermediate.
    """

    operation: str
    dest: str
    sources: tuple[str | float, ...]


# Intermediate vectors with these names begin four words behind the others modulo the banks of the
# memory; an operation on one of each kind is not slowed down.
SHIFTED = frozenset("rek")

_LOG2E, _LN2_HIGH, _LN2_LOW = 1.4426950408889634, 0.6875, 0.005647180559945
_MAGIC = 1536.0


def _step(operation: str, dest: str, *sources: str | float) -> Step:
    return Step(operation, dest, sources)


def _reduced(n: str) -> tuple[Step, ...]:
    """`k`: an integer in its lowest bits; `n` as a number; what is left of `r`."""
    return (
        _step("fmulh", "k", "r", _LOG2E),
        _step("faddh", "k", "k", _MAGIC),
        _step("faddh", n, "k", -_MAGIC),
        _step("fmach", "r", "r", n, -_LN2_HIGH),
        _step("fmach", "r", "r", n, -_LN2_LOW),
        _step("sll16", "k", "k", 10),
    )


_EXP = (
    _step("fmulh", "r", "x", -0.5),
    _step("fmaxh", "r", "r", -6.0),
    _step("fnegh", "r", "r"),
    _step("fmaxh", "r", "r", -9.0),
    *_reduced("s"),
    _step("fmulh", "s", "r", 0.166),  # the least largest error with what rounding to f16 adds
    _step("faddh", "s", "s", 0.5034),
    _step("fmulh", "s", "s", "r"),
    _step("faddh", "s", "s", 1.0),
    _step("fmulh", "s", "s", "r"),
    _step("faddh", "s", "s", 1.0),
    _step("add16", "s", "s", "k"),
    _step("fmulh", "out", "s", "s"),
)

# From -z in `r`, at least -9.2 and at most 9.2: exp(z) in `o`, 1 / (exp(z) + exp(-z)) in `s`.
_LOGISTIC = (
    _step("fmaxh", "r", "r", -9.2),
    *_reduced("s"),
    _step("fmulh", "s", "r", "r"),
    _step("fmulh", "e", "s", 1 / 24),
    _step("faddh", "e", "e", 0.5),
    _step("fmulh", "e", "e", "s"),
    _step("faddh", "e", "e", 1.0),
    _step("fmulh", "o", "s", 1 / 6),
    _step("faddh", "o", "o", 1.0),
    _step("fmulh", "o", "o", "r"),
    _step("faddh", "s", "e", "o"),
    _step("fsubh", "o", "e", "o"),
    _step("add16", "s", "s", "k"),
    _step("sub16", "o", "o", "k"),
    _step("faddh", "e", "s", "o"),
    _step("xor16", "s", "e", -1),
    _step("add16", "s", "s", 0x779A),
    _step("fmulh", "k", "e", "s"),
    _step("fsubh", "k", 2.0078125, "k"),
    _step("fmulh", "s", "s", "k"),
    _step("fmulh", "k", "e", "s"),
    _step("fsubh", "k", 2.0, "k"),
    _step("fmulh", "s", "s", "k"),
)

FUNCTIONS: Mapping[str, tuple[Step, ...]] = {
    "exp": _EXP,
    "sigmoid": (
        _step("fmaxh", "r", "x", -18.4),
        _step("fmulh", "r", "r", -0.5),
        *_LOGISTIC,
        _step("fmulh", "out", "o", "s"),
    ),
    "silu": (
        _step("fmaxh", "out", "x", -18.4),
        _step("fmulh", "r", "out", -0.5),
        *_LOGISTIC,
        _step("fmulh", "out", "out", "s"),
        _step("fmulh", "out", "out", "o"),
    ),
    # x times the logistic function of 2 sqrt(2 / pi) (x + 0.044715 x^3)
    "gelu_tanh": (
        _step("fmaxh", "out", "x", -5.17),
        _step("fmulh", "r", "out", "out"),
        _step("fmulh", "r", "r", -0.035677408136),
        _step("faddh", "r", "r", -0.7978845608),
        _step("fmulh", "r", "r", "out"),
        *_LOGISTIC,
        _step("fmulh", "out", "out", "s"),
        _step("fmulh", "out", "out", "o"),
    ),
}


@dataclass(frozen=True, slots=True)
class VectorFunction:
    """A function on vectors of `count` elements: where its intermediate results lie, its cycles."""

    name: str
    count: int

    @property
    def steps(self) -> tuple[Step, ...]:
        """What it does."""
        return FUNCTIONS[self.name]

    @property
    def offsets(self) -> dict[str, int]:
        """The first element of each intermediate vector in the memory for them."""
        names = dict.fromkeys(step.dest for step in self.steps if step.dest != "out")
        room = -(-self.count // 8) * 8 + 8
        return {name: n * room + 4 * (name in SHIFTED) for n, name in enumerate(names)}

    @property
    def scratch_elements(self) -> int:
        """Elements of memory for intermediate results."""
        return max(self.offsets.values()) + self.count

    def registers(self) -> dict[tuple[str, str], int]:
        """Operands that are loaded into registers once, by file and vector, and their numbers.

        These are vectors that several operations read or write in the same place. Register 0 and 1
        of each file are left alone.
        """
        uses: dict[tuple[str, str], int] = {}
        for step in self.steps:
            for file, operand in _operands(step):
                uses[file, operand] = uses.get((file, operand), 0) + 1
        numbers = {"dsr_dest": 2, "dsr_src0": 2, "dsr_src1": 2}
        found: dict[tuple[str, str], int] = {}
        for (file, operand), count in uses.items():
            if count > 1 and numbers[file] < _REGISTERS:
                found[file, operand] = numbers[file]
                numbers[file] += 1
        return found

    def cycles(self, machine: Machine) -> int:
        """Cycles of a call whose argument and result begin in the first bank."""
        registers = self.registers()
        loads = len(registers)
        total = machine.call_cycles
        offsets = self.offsets
        for step in self.steps:
            op = DSD_OPS[f"@{step.operation}"]
            walks = {
                operand: Walk(offsets.get(operand, 0), (1,), (self.count,), 1)
                for _, operand in _operands(step)
            }
            reads = [walks[source] for source in step.sources if isinstance(source, str)]
            loads += sum(operand not in registers for operand in _operands(step))
            moved = memory_operation_cycles(op, self.count, machine, reads, walks[step.dest])
            total += int(moved)
        return total + loads * machine.dsr_load_cycles


def _operands(step: Step) -> list[tuple[str, str]]:
    """The vectors of a step, each with the file of registers for its place."""
    found = [("dsr_dest", step.dest)]
    for place, source in enumerate(step.sources):
        if isinstance(source, str):
            found.append(("dsr_src0" if place == 0 else "dsr_src1", source))
    return found


def vector_parts(name: str, elements: int) -> tuple[tuple[VectorFunction, int], ...]:
    """Calls that apply a function to so many elements: functions, and how often each is called."""
    whole, rest = divmod(elements, LANES)
    parts = ((VectorFunction(name, LANES), whole), (VectorFunction(name, rest), 1))
    return tuple((function, times) for function, times in parts if times and function.count)


def vector_cycles(name: str, elements: int, machine: Machine) -> int:
    """Cycles of a function of f16 on so many elements, in calls for at most `LANES` each."""
    total = 0
    for function, times in vector_parts(name, elements):
        issue = machine.loop_cycles + 2 * (machine.dsd_update_cycles + machine.scalar_cycles)
        total += times * (function.cycles(machine) + (issue if times > 1 else 0))
    return total
