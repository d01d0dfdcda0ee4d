"""The kernels of tests/golden, as text: accepted by the checker, alike on both engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from waferc_ir.machine import MACHINES, Machine
from waferc_runtime.check import check_sources
from waferc_runtime.csl import core
from waferc_runtime.csl.elaborate import elaborate
from waferc_runtime.host.engines import Engine
from waferc_runtime.reference import ReferenceEngine
from waferc_runtime.vector import VectorEngine

KERNELS = Path(__file__).parents[2] / "golden" / "kernels"
NAMES = sorted(path.name.removesuffix(".layout.csl") for path in KERNELS.glob("*.layout.csl"))


def sources_of(name: str) -> dict[str, str]:
    paths = KERNELS.glob(f"{name}.*.csl")
    return {path.name.removeprefix(f"{name}."): path.read_text() for path in paths}


def exported_arrays(program: core.Elaborated) -> dict[str, core.MemoryObject]:
    """Exported pointers with the objects they point to."""
    found: dict[str, core.MemoryObject] = {}
    for pe_class in program.classes:
        for name, export in pe_class.exports.items():
            if isinstance(export.target, core.AddressOf):
                found[name] = export.target.object
    return found


def run(
    engine: Engine,
    program: core.Elaborated,
    inputs: dict[str, list[tuple[int, int, NDArray[np.generic]]]],
) -> dict[str, list[NDArray[np.generic]]]:
    for name, tiles in inputs.items():
        for x, y, tile in tiles:
            engine.write(name, x, y, tile.reshape(1, 1, -1))
    engine.launch("main")
    return {
        name: [engine.read(name, x, y, 1, 1, tile.size) for x, y, tile in tiles]
        for name, tiles in inputs.items()
    }


def random_inputs(
    program: core.Elaborated,
) -> dict[str, list[tuple[int, int, NDArray[np.generic]]]]:
    generator = np.random.default_rng(7)
    inputs: dict[str, list[tuple[int, int, NDArray[np.generic]]]] = {}
    for name, item in exported_arrays(program).items():
        inputs[name] = []
        for pe_class in program.classes:
            if name not in pe_class.exports:
                continue
            for x, y in zip(pe_class.x, pe_class.y, strict=True):
                values = generator.normal(size=item.count)
                if not item.element.is_float:
                    values = generator.integers(0, 3, item.count)
                inputs[name].append((int(x), int(y), values.astype(item.element.numpy)))
    return inputs


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
@pytest.mark.parametrize("name", NAMES)
def test_emitted_kernels_pass_the_check(name: str, arch: str) -> None:
    problems = check_sources(sources_of(name), "layout.csl", MACHINES[arch], {})
    assert [str(problem) for problem in problems] == []


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
@pytest.mark.parametrize("name", NAMES)
def test_emitted_kernels_run_alike(name: str, arch: str) -> None:
    machine: Machine = MACHINES[arch]
    program = elaborate(sources_of(name), "layout.csl", machine, {})
    inputs = random_inputs(program)
    assert inputs
    reference, vector = ReferenceEngine(program, machine), VectorEngine(program, machine)
    expected = run(reference, program, inputs)
    found = run(vector, program, inputs)
    for symbol, tiles in expected.items():
        for mine, theirs in zip(tiles, found[symbol], strict=True):
            np.testing.assert_array_equal(theirs, mine, err_msg=symbol)
    a, b = reference.statistics(), vector.statistics()
    late = reference.traffic.contended + reference.traffic.multicast_wait
    assert a.cycles - late <= b.cycles <= a.cycles
    np.testing.assert_array_equal(a.busy_cycles, b.busy_cycles)
    assert (a.macs, a.flops, a.wavelets_sent) == (b.macs, b.flops, b.wavelets_sent)
