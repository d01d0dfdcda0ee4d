"""Blocks of rows, one after the other, times a matrix that stays where it is.

Along the axis of the rows a block comes from the PE that holds it to the last PE, which sends it
to all: those that have a part of the matrix take it into their own array of rows. Each multiplies
it by its part, in vectors over all rows of the block, and the sums run down the other axis, each
PE adding its own, to the PE that holds the block of the result. Blocks of rows and of the result
lie behind all PEs that multiply, so that the arrays of both serve for both: on PEs that multiply,
`rows` takes the block that came and the result's array the products. The last PE holds no rows: it
takes in the next block while the others multiply. (It could not pass words on as they come: who
sends a block could not take in at the same time what the last PE sends to all.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from waferc.emit.diagnostics import EmitError
from waferc.emit.kernels.context import KernelContext, Tile, immediate, move, operation, suffix
from waferc.emit.pe_program import (
    ADDEND,
    SUM,
    VECTOR,
    Affine,
    Fabric,
    For,
    If,
    LetDsd,
    Loaded,
    LoadRegister,
    Memory,
    Moved,
    Statement,
    variable,
)
from waferc.emit.views import View, nest, row_major
from waferc_ir.ops import collective
from waferc_ir.types import Axis, Split

BLOCK = "block"  # the loop variable: number of the block of rows


def multiply(
    op: collective.Multiply, result: Tile, context: KernelContext
) -> tuple[Statement, ...]:
    """All blocks of rows in order.

    Raises:
        EmitError: the lines of the region do not lead to their last PEs, or rows lie there.
    """
    rows, matrix = context.tile(op.rows), context.tile(op.matrix)
    for axis in ("x", "y"):
        line = context.region.line(axis)
        if line.root != line.pes - 1 or line.group:
            raise EmitError(
                f"collective.multiply needs chains to the last PE along {axis}, not {line}",
                help="route the program again",
            )
    work = _Work(op, rows, matrix, result, context)
    pes = context.region.extent(work.along.axis)
    if work.along.first + work.blocks >= pes:
        raise EmitError(
            f"collective.multiply has {work.blocks} blocks of rows from PE {work.along.first} on"
            f" along {work.along.axis}, the last of {pes} included",
            help="leave the last PE without rows",
        )
    body = (
        If(((f"pe_{work.across.axis} < {work.used_k}", work.spread()),)),
        If(((f"pe_{work.along.axis} < {work.used_n}", work.products()),)),
    )
    return (For(BLOCK, 0, work.blocks, body),)


@dataclass(frozen=True)
class _Work:
    """One multiplication: where its blocks are, and the parts of what PEs do."""

    op: collective.Multiply
    rows: Tile
    matrix: Tile
    result: Tile
    context: KernelContext

    @property
    def letters(self) -> tuple[str, str, str]:
        return self.op.letters()

    @property
    def along(self) -> Split:
        """How rows are split."""
        return _split(self.rows, self.op.rows_dims, self.letters[0])

    @property
    def across(self) -> Split:
        """How what is summed is split."""
        return _split(self.rows, self.op.rows_dims, self.letters[1])

    @property
    def columns(self) -> int:
        """Columns of a PE's part of the matrix."""
        return _split(self.matrix, self.op.matrix_dims, self.letters[2]).block

    @property
    def blocks(self) -> int:
        """Blocks of rows."""
        return -(-self._extent(self.rows, self.op.rows_dims, 0) // self.along.block)

    @property
    def used_k(self) -> int:
        """PEs that hold a part of the matrix, along the axis of the sum."""
        return -(-self._extent(self.rows, self.op.rows_dims, 1) // self.across.block)

    @property
    def used_n(self) -> int:
        """PEs that hold a part of the matrix, along the axis of the rows."""
        return -(-self._extent(self.matrix, self.op.matrix_dims, 2) // self.columns)

    def _extent(self, tile: Tile, dims: str, which: int) -> int:
        return tile.type.shape[dims.index(self.letters[which])]

    def _link(self, axis: Axis, role: str, tile: Tile, count: int) -> Fabric:
        """An end of a link of a line, for messages of a tile's elements."""
        packs = self.along.block % 2 == 0
        return self.context.fabric(
            f"{axis}_{role}", count, tile.element, sends=role == "send", is_packed=packs
        )

    def spread(self) -> tuple[Statement, ...]:
        """A block of rows on its way from its PE to all that multiply, summed index outermost."""
        axis, first = self.along.axis, self.along.first
        last = self.context.region.extent(axis) - 1
        size, depth = self.along.block, self.across.block
        count = size * depth
        send, chain, everyone = (
            self._link(axis, role, self.rows, count) for role in ("send", "chain", "all")
        )
        steps = _steps(self.rows, self.op.rows_dims)
        m, k, _ = self.letters
        own = View("own", self.rows.array, (steps[k], steps[m]))
        sends = nest((depth, size), [send, own], move)
        passes = (move([send, chain]),)
        taken = Memory("taken", self.rows.array, (count,), (1,))
        # holders of rows do not multiply: what comes to them goes into the word before their rows
        lead = self.rows.array.lead
        drops = (move([Memory("dropped", self.rows.array, (count,), (0,), -lead), everyone]),)
        holds = f"pe_{axis} == {BLOCK} + {first}"
        behind = f"pe_{axis} > {BLOCK} + {first}"
        return (
            If(
                (
                    (f"pe_{axis} < {first}", (move([taken, everyone]),)),
                    (f"pe_{axis} < {last}", (If(((holds, sends), (behind, passes))), *drops)),
                ),
                (move([taken, chain]), move([send, taken])),
            ),
        )

    def products(self) -> tuple[Statement, ...]:
        """Products of a block, and their sums on the way to the PE that holds them."""
        axis, first = self.across.axis, self.op.first
        size, columns = self.along.block, self.columns
        count = size * columns
        send, chain = (self._link(axis, role, self.result, count) for role in ("send", "chain"))
        m, _, n = self.letters
        steps = _steps(self.result, self.op.out_dims)
        out = View("out", self.result.array, (steps[n], steps[m]))
        own = Memory("products", self.result.array, (count,), (1,))
        add = operation(f"fadd{suffix(self.result.element)}", send, chain, own)
        begins: tuple[Statement, ...] = (move([send, own]),)
        if self.used_k > 1:
            begins = (If(((f"pe_{axis} == 0", begins),), (add,)),)
        return (
            If(
                (
                    (f"pe_{axis} < {self.used_k}", (*self._multiplied(), *begins)),
                    (f"pe_{axis} < {BLOCK} + {first}", (move([send, chain]),)),
                    (
                        f"pe_{axis} == {BLOCK} + {first}",
                        nest((columns, size), [out, chain], move),
                    ),
                )
            ),
        )

    def _multiplied(self) -> tuple[Statement, ...]:
        """Products of the block that came, columns outermost."""
        size, depth = self.along.block, self.across.block
        steps = _steps(self.matrix, self.op.matrix_dims)
        _, k, n = self.letters
        place = Moved(Memory("sum", self.result.array, (size,), (1,)), variable("n", size))
        total = LetDsd("sum_at_n", place)
        row = LoadRegister(VECTOR, Memory("row", self.rows.array, (size,), (1,)), saves=True)
        to = LoadRegister(SUM, total.named())
        addend = LoadRegister(ADDEND, total.named())

        def scalar(index: Affine) -> Loaded:
            return Loaded(self.matrix.array, index.plus(variable("n", steps[n])))

        letter = suffix(self.rows.element)
        first = operation(f"fmul{letter}", to.register(), scalar(Affine()), row.register())
        name, start = f"fmac{letter}", 1
        if self.op.wide:
            # a product of f16 in f32 is a sum that begins with zero
            first = operation("fmovs", to.register(), immediate(0.0, "f32"))
            name, start = "fmachs", 0
        step = operation(
            name,
            to.register(),
            addend.register(),
            row.register(),
            scalar(variable("k", steps[k])),
        )
        inner = (For("k", start, depth, (step,)),) if depth > start else ()
        return (For("n", 0, self.columns, (total, to, addend, row, first, *inner)),)


def _split(tile: Tile, dims: str, letter: str) -> Split:
    split = tile.type.layout.splits[dims.index(letter)]
    assert split is not None
    return split


def _steps(tile: Tile, dims: str) -> Mapping[str, int]:
    """The stride of each letter in a tile."""
    return dict(zip(dims, row_major(tile.shape), strict=True))
