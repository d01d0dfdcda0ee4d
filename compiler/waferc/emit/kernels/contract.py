"""Einstein sums of two tiles: multiply-accumulate, a vector of one operand by scalars of the other.

The summed letters are loops around an innermost loop whose iterations are independent; each
iteration is one `@fmacs(out, out, vector, scalar)`, `@fmach` for f16, `@fmachs` where f16 factors
are summed in f32. Which operand gives the vector is chosen by the cycle estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

from waferc.analysis.scratch import products_of
from waferc.emit.cost import cycles
from waferc.emit.diagnostics import EmitError
from waferc.emit.kernels.context import KernelContext, Tile, fill, operation, suffix
from waferc.emit.kernels.products import by_products
from waferc.emit.pe_program import (
    VECTOR,
    Affine,
    For,
    LetDsd,
    Loaded,
    LoadRegister,
    Memory,
    Moved,
    Named,
    Statement,
    variable,
)
from waferc.emit.views import MAX_DIMS, View, descriptor, merge, row_major
from waferc_ir.ops import tile_compute


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop of a multiply-accumulate nest, with what an iteration adds to each operand's place."""

    variable: str
    extent: int
    out: int
    vector: int
    scalar: int


@dataclass(frozen=True, slots=True)
class Nest:
    """A multiply-accumulate nest: vector dimensions inside, loops outside, outermost first."""

    out: View
    vector: View
    extents: tuple[int, ...]
    scalar: Tile
    scalar_offset: int
    loops: tuple[Loop, ...]
    wide: bool = False  # f16 factors, f32 sums


def multiply_accumulate(nest: Nest) -> tuple[Statement, ...]:
    """`out += vector * scalar` in the loops of a nest."""
    element = nest.scalar.element
    name = "fmachs" if nest.wide else f"fmac{suffix(element)}"
    index = Affine(nest.scalar_offset)
    for loop in nest.loops:
        index = index.plus(variable(loop.variable, loop.scalar))
    scalar = Loaded(nest.scalar.array, index)

    def level(depth: int, out: Memory | Named, vector: Memory | Named) -> tuple[Statement, ...]:
        if depth == len(nest.loops):
            return (operation(name, out, out, vector, scalar),)
        loop = nest.loops[depth]
        if depth == len(nest.loops) - 1 and _streams(nest, loop):
            load = LoadRegister(VECTOR, vector, saves=True)
            step = operation(name, out, out, load.register(), scalar)
            return (load, For(loop.variable, 0, loop.extent, (step,)))
        lets: list[Statement] = []
        placed: list[Memory | Named] = []
        for base, role, step in (
            (out, nest.out.role, loop.out),
            (vector, nest.vector.role, loop.vector),
        ):
            if step == 0:
                placed.append(base)
                continue
            moved = Moved(base, variable(loop.variable, step))
            let = LetDsd(f"{role}_at_{loop.variable}", moved)
            lets.append(let)
            placed.append(let.named())
        body = (*lets, *level(depth + 1, placed[0], placed[1]))
        return (For(loop.variable, 0, loop.extent, body),)

    out = descriptor(nest.out, nest.extents)
    vector = descriptor(nest.vector, nest.extents)
    assert isinstance(out, Memory)
    assert isinstance(vector, Memory)
    return level(0, out, vector)


def _streams(nest: Nest, loop: Loop) -> bool:
    """Whether each iteration's vector follows the one before in memory, for one and the same sum.

    Then a register that saves its address needs no descriptor per iteration.
    """
    (extent, *more), (stride, *_) = nest.extents or (1,), nest.vector.strides or (1,)
    return not more and stride == 1 and loop.out == 0 and loop.vector == extent


def contract(
    op: tile_compute.Contract, result: Tile, context: KernelContext
) -> tuple[Statement, ...]:
    """The sum from zero: by a nest, or by products where that takes fewer cycles.

    Raises:
        EmitError: elements are integers.
    """
    lhs, rhs = context.tile(op.lhs), context.tile(op.rhs)
    if not lhs.is_float:
        raise EmitError(
            f"tile.contract has no kernel for {lhs.element} elements",
            help="convert the operands to a float type first",
        )
    sizes = dict(zip(op.lhs_dims, lhs.shape, strict=True)) | dict(
        zip(op.rhs_dims, rhs.shape, strict=True)
    )
    if result.elements == 0:
        return ()
    zero = fill(result, 0.0)
    if any(size == 0 for size in sizes.values()):
        return zero
    block = products_of(op, context.machine)
    if block is not None:
        return by_products(op, result, block, context)
    only_lhs = [c for c in op.out_dims if c not in op.rhs_dims]
    only_rhs = [c for c in op.out_dims if c not in op.lhs_dims]
    choices = [
        _orient(op, sizes, result, (rhs, op.rhs_dims), (lhs, op.lhs_dims), only_rhs, "rhs"),
        _orient(op, sizes, result, (lhs, op.lhs_dims), (rhs, op.rhs_dims), only_lhs, "lhs"),
    ]
    bodies = [multiply_accumulate(choice) for choice in choices]
    return (*zero, *min(bodies, key=lambda body: cycles(body, context.machine)))


def _orient(
    op: tile_compute.Contract,
    sizes: dict[str, int],
    result: Tile,
    vector: tuple[Tile, str],
    scalar: tuple[Tile, str],
    letters: list[str],
    role: str,
) -> Nest:
    """The nest whose vectors run over `letters`, which `vector` has and `scalar` has not."""
    out_steps = dict(zip(op.out_dims, row_major(result.shape), strict=True))
    vector_steps = dict(zip(vector[1], row_major(vector[0].shape), strict=True))
    scalar_steps = dict(zip(scalar[1], row_major(scalar[0].shape), strict=True))
    extents, (out, inside) = merge(
        [sizes[c] for c in letters],
        [[out_steps[c] for c in letters], [vector_steps[c] for c in letters]],
    )
    surplus = max(0, len(extents) - MAX_DIMS)
    outer = [
        (extent, (o, v, 0)) for extent, o, v in zip(extents[:surplus], out, inside, strict=False)
    ]
    free = _loops([c for c in op.out_dims if c not in letters], sizes, out_steps, vector_steps,
                  scalar_steps)  # fmt: skip
    summed = _loops([c for c in op.lhs_dims if c not in op.out_dims], sizes, out_steps,
                    vector_steps, scalar_steps)  # fmt: skip
    independent = sorted([*outer, *free], key=lambda loop: loop[0])
    ordered = [*independent[:-1], *summed, *independent[-1:]]
    roles = ["summed" if loop in summed else "free" for loop in ordered]
    names = _names(roles)
    loops = tuple(
        Loop(name, extent, *steps) for name, (extent, steps) in zip(names, ordered, strict=True)
    )
    return Nest(
        out=View("row", result.array, out[surplus:]),
        vector=View(role, vector[0].array, inside[surplus:]),
        extents=extents[surplus:],
        scalar=scalar[0],
        scalar_offset=0,
        loops=loops,
        wide=op.wide,
    )


def _loops(
    letters: list[str], sizes: dict[str, int], *steps: dict[str, int]
) -> list[tuple[int, tuple[int, int, int]]]:
    extents, (out, vector, scalar) = merge(
        [sizes[c] for c in letters], [[s.get(c, 0) for c in letters] for s in steps]
    )
    return [(e, (o, v, s)) for e, o, v, s in zip(extents, out, vector, scalar, strict=True)]


def _names(roles: list[str]) -> list[str]:
    letters = {"summed": iter("kuvw"), "free": iter("mnbcdefgh")}
    return [next(letters[role], "") or f"d{place}" for place, role in enumerate(roles)]
