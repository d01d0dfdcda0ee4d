"""Cycles of compiled kernels at full size: `python -m bench.kernels [gemv] [gemm] [layer] [small]`.

GEMV of 16K x 16K and 32K x 32K, products of 4K and 8K rows and columns, and a decode step of one
layer of Llama-3-8B, f16 on wse2, compiled without weights and run without data on several grids:
cycles of every kernel beside the cost model's estimate and the largest of its lower bounds; then
the rank correlation of estimates with cycles over all of them, and the mean error by kernel family.
`small` runs the same programs at a reduced size with data and without, verifies one and compares
the cycles of both.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import waferc
from bench.programs.language import DecoderLayer, Gemv, Sizes, layer_arguments
from waferc.kernels import KernelCost
from waferc_runtime.host.engines import PHANTOM

Grid = tuple[int, int]
GEMV_GRIDS: dict[int, tuple[Grid, ...]] = {
    16: ((256, 256), (500, 750), (420, 700)),
    32: ((500, 750), (750, 994)),
}
GEMM_GRIDS: tuple[Grid, ...] = ((480, 480), (720, 720))
GEMM_THOUSANDS = (4, 8)
LAYER_GRIDS: tuple[Grid, ...] = ((256, 256), (420, 420))


@dataclass(frozen=True)
class Work:
    """A model with its arguments."""

    name: str
    model: torch.nn.Module
    arguments: tuple[Any, ...]

    def compiled(self, grid: Grid) -> waferc.Compiled:
        """The model in f16 on a grid of wse2."""
        return waferc.compile(self.model, self.arguments, target="wse2", region=grid, dtype="f16")


def gemv(thousands: int) -> Work:
    """A square GEMV without weights."""
    extent = thousands * 1024
    with torch.device("meta"):
        model = Gemv(extent)
    return Work(f"gemv {thousands}K", model.eval(), (torch.zeros(extent),))


def gemm(thousands: int) -> Work:
    """A square product without weights: as many rows as columns."""
    extent = thousands * 1024
    with torch.device("meta"):
        model, rows = Gemv(extent), torch.zeros(extent, extent)
    return Work(f"gemm {thousands}K", model.eval(), (rows,))


def gemms() -> list[KernelCost]:
    """Products on all grids, each with its share of the peak of four multiply-adds per cycle."""
    costs: list[KernelCost] = []
    for thousands in GEMM_THOUSANDS:
        for grid in GEMM_GRIDS:
            found = measured(gemm(thousands), grid)
            peak = (thousands * 1024) ** 3 / (4 * grid[0] * grid[1])
            _print(f"  share of peak: {peak / sum(cost.measured for cost in found):.1%}")
            costs += found
    return costs


def layer(sizes: Sizes) -> Work:
    """A decode step of one layer without weights."""
    with torch.device("meta"):
        model = DecoderLayer(sizes)
    return Work("decode layer", model.eval(), layer_arguments(sizes))


def measured(work: Work, grid: Grid) -> list[KernelCost]:
    """Print the cycles of a program and its kernels without data; the costs of its kernels."""
    compiled = work.compiled(grid)
    compiled.engine = PHANTOM
    report = compiled.profile()
    assert report.watched is not None
    costs = list(report.watched.kernels)
    _print(f"{work.name} on {grid[0]} x {grid[1]} PEs: {report.cycles:,} cycles")
    for cost in costs:
        kernel = cost.kernel
        if cost.measured >= report.cycles / 50:
            estimate = 0 if kernel.estimate is None else kernel.estimate
            _print(
                f"  {kernel.function:<24} {cost.measured:>8,.0f} cycles, estimated {estimate:,},"
                f" at least {kernel.bounds.most:,}"
            )
    return costs


def compared(costs: Sequence[KernelCost]) -> None:
    """Print how near the estimates are."""
    known = [(c.measured, c.kernel.estimate, c) for c in costs if c.kernel.estimate]
    ranks = _ranks([m for m, _, _ in known]), _ranks([e for _, e, _ in known])
    rank = float(np.corrcoef(*ranks)[0, 1])
    _print(f"{len(known)} kernels: rank correlation of estimates and cycles {rank:.3f}")
    errors: defaultdict[str, list[float]] = defaultdict(list)
    for cycles, estimate, cost in known:
        errors[cost.kernel.operation].append(abs(estimate - cycles) / cycles)
    for family, found in sorted(errors.items()):
        _print(f"  {family:<24} {sum(found) / len(found):6.1%} mean error, {len(found)} kernels")


def _ranks(numbers: Sequence[float]) -> NDArray[np.int64]:
    """Twice the places in ascending order, equal numbers alike."""
    ordered = np.sort(numbers)
    return np.searchsorted(ordered, numbers, "left") + np.searchsorted(ordered, numbers, "right")


def small() -> None:
    """Verify reduced programs with data; without data they must take as many cycles."""
    torch.manual_seed(0)
    sizes = Sizes(64, 4, 2, 16, 96, 40)
    for work in (
        Work("gemv", Gemv(200).eval(), (torch.randn(200),)),
        Work("gemm", Gemv(96).eval(), (torch.randn(256, 96),)),
        Work("decode layer", DecoderLayer(sizes).eval(), layer_arguments(sizes)),
    ):
        compiled = work.compiled((12, 9))
        passed = compiled.verify().passed
        with_data = compiled.profile().cycles
        bare = Work(work.name, work.model.to("meta"), work.arguments).compiled((12, 9))
        bare.engine = PHANTOM
        without = bare.profile().cycles
        _print(
            f"{work.name}, reduced: verified {passed}, {with_data:,} cycles with data,"
            f" {without:,} without"
        )


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run what is asked for; everything if nothing is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "parts", nargs="*", choices=["gemv", "gemm", "layer", "small", []], default=[]
    )
    parts = parser.parse_args().parts or ["small", "gemv", "gemm", "layer"]
    costs: list[KernelCost] = []
    if "small" in parts:
        small()
    if "gemv" in parts:
        for thousands, grids in GEMV_GRIDS.items():
            for grid in grids:
                costs += measured(gemv(thousands), grid)
    if "gemm" in parts:
        costs += gemms()
    if "layer" in parts:
        for grid in LAYER_GRIDS:
            costs += measured(layer(Sizes()), grid)
    if costs:
        compared(costs)


if __name__ == "__main__":
    main()
