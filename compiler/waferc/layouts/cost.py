"""The cost model of the layout search: cycles of local work and of collectives.

All formulas follow the cycle model of docs/architecture.md and take their constants from the
`Machine`. Let `n` be elements of the tile, `P` PEs along the axis, `S` = `dsd_setup_cycles`,
`move(n)` the cycles of the elements of an operation whose operands begin in one bank (arrays of
round sizes do: the memory is then at its slowest), and `step` = `2 * ramp_cycles + hop_cycles + 1`
the time that a word needs from a PE to its neighbour, from processing to processing; `issue` is a
scalar load, a descriptor update, three loads of descriptors and the end of a loop.

| work | cycles |
|---|---|
| DSD operation in memory | `S + move(n)` and three loads of descriptors |
| `@map` with a function of `f` cycles | `S + n * (f + loop)` |
| some functions of f16, if cheaper | `layouts.vector_functions` |
| contraction of `m` multiply-adds in vectors of `v` | `m / v * (S + issue + move(v))` |
| all_reduce, all_gather | `layouts.lines` |
| shard | as a DSD operation on the block |
| transfer | `2 * n + W * hop + step + 3 * S`: over the path, then eastward through the region |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from waferc.layouts.lines import LineCost, usual_lines, wavelets
from waferc.layouts.vector_functions import FUNCTIONS, vector_cycles
from waferc_ir.dtypes import DType
from waferc_ir.machine import Machine
from waferc_ir.types import AXES, Axis, Line
from waferc_runtime.builtins.banks import Walk
from waferc_runtime.builtins.dsd import DSD_OPS
from waferc_runtime.builtins.timing import memory_operation_cycles

_Family = Literal["copy", "add", "multiply", "choose", "multiply_add", "multiply_add_wide"]
_F32: Mapping[_Family, str] = {
    "copy": "@fmovs", "add": "@fadds", "multiply": "@fmuls", "choose": "@fmaxs",
    "multiply_add": "@fmacs",
}  # fmt: skip
_NAMES: Mapping[DType, Mapping[_Family, str]] = {
    DType.F16: {
        "copy": "@fmovh", "add": "@faddh", "multiply": "@fmulh", "choose": "@fmaxh",
        "multiply_add": "@fmach", "multiply_add_wide": "@fmachs",
    },
    DType.F32: _F32,
    DType.BOOL: _F32,
    DType.I16: dict.fromkeys(_F32, "@add16"),
    DType.I32: dict.fromkeys(_F32, "@mov32"),
}  # fmt: skip
_DSD_FUNCTIONS: Mapping[str, _Family] = {
    "neg": "add", "abs": "add", "add": "add", "sub": "add", "mul": "multiply",
    "relu": "choose", "max": "choose", "min": "choose",
}  # fmt: skip
LONGEST_MASK = 1024  # conditions of a selection by bits
_DIVISIONS = frozenset({"div", "reciprocal"})
# polynomials of our own, by their scalar operations
_POLYNOMIALS: Mapping[str, int] = {"exp": 27, "sigmoid": 45, "silu": 52}
# library functions, and polynomials about as long
_ONE_MATH = frozenset({"log", "sqrt", "rsqrt", "tanh", "sin", "cos", "erf", "gelu"})
# an exponential or a logarithm, and a division or another function
_TWO_MATH = frozenset({"gelu_tanh", "pow", "softplus"})


@dataclass(frozen=True)
class CostModel:
    """Cycles on a region of `width` x `height` PEs of `machine`.

    `lines` are those along x and along y once they are chosen.
    """

    machine: Machine
    width: int
    height: int
    lines: tuple[Line, Line] | None = None

    @cached_property
    def _lines(self) -> Mapping[Axis, Sequence[LineCost]]:
        if self.lines is None:
            extents = (self.width, self.height)
            choices = [usual_lines(self.machine, pes) for pes in extents]
        else:
            choices = [(line,) for line in self.lines]
        return {
            axis: [LineCost(self.machine, line) for line in lines]
            for axis, lines in zip(AXES, choices, strict=True)
        }

    def operation(self, family: _Family, elements: int, dtype: DType, reads: int = 2) -> int:
        """One DSD operation over `elements` in memory that begin in one bank.

        `reads` are its sources in memory; others are scalars.
        """
        op = DSD_OPS[_NAMES[dtype][family]]
        walks = [Walk(0, (e.words,), (elements,), e.words) for e in op.source_elements[:reads]]
        write = Walk(0, (op.element.words,), (elements,), op.element.words)
        return int(memory_operation_cycles(op, elements, self.machine, walks, write))

    def vector(self, elements: int, dtype: DType, family: _Family = "add", reads: int = 2) -> int:
        """A function call with one DSD operation over `elements` in memory."""
        machine = self.machine
        loads = (1 + reads) * machine.dsr_load_cycles
        return machine.call_cycles + loads + self.operation(family, elements, dtype, reads)

    def copied(self, elements: int, dtype: DType) -> int:
        """A function call that moves a tile of `elements`."""
        return self.vector(elements, dtype, "copy", 1)

    def filled(self, elements: int, dtype: DType) -> int:
        """A function call that writes one value to all `elements`."""
        return self.vector(elements, dtype, "copy", 0)

    def mapped(self, elements: int, cycles: int) -> int:
        """A function call with an `@map` whose function takes `cycles`."""
        machine = self.machine
        return (
            machine.call_cycles
            + machine.dsd_setup_cycles
            + elements * (cycles + machine.loop_cycles)
        )

    def elementwise(self, fn: str, elements: int, dtype: DType, tiles: int) -> int:
        """`fn` over `tiles` operands: one DSD operation if there is one, else an `@map`."""
        if fn in _DSD_FUNCTIONS:
            return self.vector(elements, dtype, _DSD_FUNCTIONS[fn], tiles)
        scalar = self._by_scalars(fn, elements, dtype)
        if not self.has_vectors(fn, elements, dtype):
            return scalar
        return self.machine.call_cycles + self._vector_cycles[fn, elements]

    def has_vectors(self, fn: str, elements: int, dtype: DType) -> bool:
        """Whether a function on vectors is there, and cheaper than one on scalars."""
        if dtype is not DType.F16 or fn not in FUNCTIONS:
            return False
        known = self._vector_cycles
        if (fn, elements) not in known:
            known[fn, elements] = vector_cycles(fn, elements, self.machine)
        return known[fn, elements] < self._by_scalars(fn, elements, dtype)

    def select(self, elements: int, conditions: int, dtype: DType) -> int:
        """A selection by a tile of `conditions` that is repeated for so many elements."""
        scalar = self._by_scalars("select", elements, dtype)
        return (
            self._by_bits(elements, conditions)
            if self.selects_bits(elements, conditions, dtype)
            else scalar
        )

    def selects_bits(self, elements: int, conditions: int, dtype: DType) -> bool:
        """Whether the bits of elements are selected: of f16, if that is cheaper than one by one."""
        if dtype is not DType.F16 or conditions > LONGEST_MASK:
            return False
        return self._by_bits(elements, conditions) < self._by_scalars("select", elements, dtype)

    def _by_bits(self, elements: int, conditions: int) -> int:
        # the shift of the mask is done one by one, all else as an addition of f16
        mask = self.vector(conditions, DType.F16) + self.vector(conditions, DType.F16, "choose")
        return mask + 3 * self.vector(elements, DType.F16)

    @cached_property
    def _vector_cycles(self) -> dict[tuple[str, int], int]:
        return {}

    def _by_scalars(self, fn: str, elements: int, dtype: DType) -> int:
        machine = self.machine
        # functions on f16 convert, and call that on f32
        extra = 2 * machine.scalar_cycles + machine.call_cycles if dtype is DType.F16 else 0
        if fn in _DIVISIONS:
            return self.mapped(elements, machine.divide_cycles + extra)
        if fn in _POLYNOMIALS:
            return self.mapped(elements, _POLYNOMIALS[fn] * machine.scalar_cycles + extra)
        if fn in _ONE_MATH:
            return self.mapped(elements, machine.math_cycles + extra)
        if fn in _TWO_MATH:
            return self.mapped(elements, machine.math_cycles + machine.divide_cycles + extra)
        steps = 4 if dtype is DType.F16 else 2
        return self.mapped(elements, steps * machine.scalar_cycles + extra)

    def stream_multiply_add(
        self, vectors: int, vector: int, dtype: DType, wide: bool = False
    ) -> int:
        """`vectors` vectors of length `vector`, one behind the other, times scalars into one sum.

        The sum begins in one bank and the first vector four words behind it. If `wide`, factors
        are f16 and sums f32.
        """
        machine = self.machine
        op = DSD_OPS[_NAMES[dtype]["multiply_add_wide" if wide else "multiply_add"]]
        words, own = op.element.words, op.source_elements[1].words
        out = Walk(0, (words,), (vector,), words, (0,))
        source = Walk(4, (own,), (vector,), own, (vector * own,))
        moving = memory_operation_cycles(op, vector, machine, [out, source], out, (vectors,))
        issue = machine.scalar_cycles + machine.loop_cycles
        return machine.call_cycles + machine.dsr_load_cycles + vectors * issue + int(moving)

    def multiply_add(
        self, multiplications: int, vector: int, dtype: DType, wide: bool = False, reads: int = 2
    ) -> int:
        """A loop nest of `multiplications` multiply-adds, in DSD operations of length `vector`.

        If `wide`, factors are f16 and sums f32. `reads` are sources that meet in banks.
        """
        machine = self.machine
        family = "multiply_add_wide" if wide else "multiply_add"
        issue = (
            machine.scalar_cycles
            + machine.loop_cycles
            + machine.dsd_update_cycles
            + 3 * machine.dsr_load_cycles
            + self.operation(family, vector, dtype, reads)
        )
        operations = _ceil(multiplications, max(1, vector))
        return machine.call_cycles + operations * issue

    def cast(self, elements: int, source: DType, target: DType) -> int:
        """Another element type: one DSD operation between floats, else an `@map`."""
        if {source, target} == {DType.F16, DType.F32}:
            return self.copied(elements, DType.F32)
        return self.elementwise("cast", elements, source, 1)

    def folded(self, window: int, results: int, dtype: DType, *, is_sum: bool) -> int:
        """`results` sums or extrema of `window` elements each, by the cheaper of two loop orders.

        One operation over all results for each place in the window, or one over the window, into a
        scalar, for each result.
        """
        machine, family = self.machine, "add" if is_sum else "choose"
        issue = machine.loop_cycles + machine.dsd_update_cycles + 2 * machine.scalar_cycles
        issue += machine.dsr_load_cycles
        by_places = (window - 1) * (issue + self.operation(family, results, dtype))
        by_results = results * (issue + self.operation(family, window, dtype, 1))
        return self.copied(results, dtype) + min(by_places, by_results)

    def convolved(self, taps: int, channels: int, vector: int, dtype: DType) -> int:
        """A convolution with `taps` weights per channel of the result; vectors span images.

        Rows of images are longer than those of the result: about half of the elements meet in
        banks.
        """
        zero = self.filled(channels * vector, dtype)
        work = taps * channels * vector
        both = sum(self.multiply_add(work, vector, dtype, reads=reads) for reads in (1, 2))
        return zero + both // 2

    def causal_mask(self, rows: int, batch: int, columns: int, dtype: DType) -> int:
        """Minus infinity in the tail, on average half, of each of `rows` in `batch` matrices.

        It is written over the operand, as nobody reads scores without the mask.
        """
        machine = self.machine
        issue = machine.loop_cycles + machine.dsd_update_cycles + machine.dsr_load_cycles
        fill = issue + 3 * machine.scalar_cycles + self.operation("copy", columns // 2, dtype, 0)
        each = machine.loop_cycles + 6 * machine.scalar_cycles + batch * fill
        return machine.call_cycles + rows * each

    def padding_mask(self, elements: int, share: float, pes: int, dtype: DType) -> int:
        """A value in padding, a share of all `elements` that the last of `pes` PEs in a line has.

        It is a mean over PEs, as the others find that they have none.
        """
        machine = self.machine
        lanes = round(elements * share * pes)
        fill = self.operation("copy", lanes, dtype, 0) // pes if lanes else 0
        return machine.call_cycles + machine.scalar_cycles + fill

    def rows(self, rows: int, elements: int, dtype: DType) -> int:
        """A loop over `rows` run-time indices, each moving `elements`."""
        machine = self.machine
        return rows * (
            8 * machine.scalar_cycles + machine.loop_cycles + self.copied(elements, dtype)
        )

    def all_reduce(self, elements: int, axis: Axis, dtype: DType) -> int:
        """The reduction of a tile over a line, known to all of the line."""
        words = wavelets(elements, dtype)
        return self.machine.call_cycles + min(line.all_reduce(words) for line in self._lines[axis])

    def all_reduces(self, elements: Sequence[tuple[int, DType]], axis: Axis) -> int:
        """Reductions of several tiles over a line on their way together."""
        words = [wavelets(count, dtype) for count, dtype in elements]
        return self.machine.call_cycles + min(line.all_reduces(words) for line in self._lines[axis])

    def all_gather(self, whole: int, blocks: int, axis: Axis, dtype: DType) -> int:
        """The tiles of a line, `whole` elements in `blocks` PEs, brought to all of the line."""
        total = wavelets(whole, dtype)
        lines = self._lines[axis]
        return self.machine.call_cycles + min(line.all_gather(total, blocks) for line in lines)

    def multiply_rows(
        self, blocks: int, size: int, depth: int, columns: int, dtype: DType, *, wide: bool = False
    ) -> int:
        """`blocks` of `size` rows times `[depth, columns]`: taken in, multiplied, handed on."""
        machine = self.machine
        message = machine.dsd_setup_cycles + 3 * machine.dsr_load_cycles
        vectors = self.stream_multiply_add(depth, size, dtype, wide) - machine.call_cycles
        column = vectors + machine.loop_cycles + machine.dsd_update_cycles
        column += 2 * machine.dsr_load_cycles
        moved = wavelets(size * depth, dtype)
        moved += wavelets(size * columns, DType.F32 if wide else dtype)
        return machine.call_cycles + blocks * (columns * column + moved + 2 * message)

    def shard(self, elements: int, dtype: DType) -> int:
        """The copy of a block of `elements` out of a whole dimension."""
        return self.copied(elements, dtype)

    def send(self, elements: int) -> int:
        """The sending of a tile to another region, on the PE that does."""
        return self.machine.call_cycles + self.machine.dsd_setup_cycles + elements

    def transfer(self, elements: int, down: bool) -> int:
        """A stream of `elements` in each row; `down` if row 0 alone receives."""
        machine = self.machine
        passing = 2 if down else 1
        return (
            (1 + passing) * elements
            + machine.hop_cycles * (self.width + (self.height if down else 0))
            + (1 + passing) * (self._step() + machine.dsd_setup_cycles)
            + machine.call_cycles
        )

    def _step(self) -> int:
        return 2 * self.machine.ramp_cycles + self.machine.hop_cycles + 1


def _ceil(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)
