"""A saved model runs without torch, and under the vendor's host API."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import waferc
from waferc_runtime.check.sources import check_sources

ROOT = Path(__file__).resolve().parents[2]
ROOMS = [str(ROOT / room) for room in ("compiler", "ir", "runtime")]


@pytest.fixture(params=["f32", "f16"])
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[waferc.Compiled, Path]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 3))
    compiled = waferc.compile(model, (torch.randn(4, 6),), region=(2, 2), dtype=request.param)
    compiled.save(tmp_path / "out")
    return compiled, tmp_path / "out"


def run_python(folder: Path, *arguments: str, extra: str = "") -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        env={"PYTHONPATH": ":".join([*ROOMS, extra]), "PATH": "/usr/bin:/bin"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_bundle_runs_without_torch(saved: tuple[waferc.Compiled, Path], tmp_path: Path) -> None:
    compiled, folder = saved
    x = np.random.default_rng(1).standard_normal((4, 6)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy, waferc\n"
        f"numpy.save('y.npy', waferc.load({str(folder)!r})(numpy.load('x.npy')))\n"
    )
    run_python(tmp_path, "-c", script)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), compiled(x))


def test_the_host_script_runs_under_the_vendors_api(
    saved: tuple[waferc.Compiled, Path], tmp_path: Path
) -> None:
    compiled, folder = saved
    package = tmp_path / "vendor" / "cerebras" / "sdk" / "runtime"
    package.mkdir(parents=True)
    (package / "sdkruntimepybind.py").write_text("from waferc_runtime.host.sdk import *\n")
    x = np.random.default_rng(1).standard_normal((4, 6)).astype(np.float32)
    (label,) = (placement.label for placement in compiled.entry.inputs)
    np.savez(tmp_path / "x.npz", **{label: x})  # pyright: ignore[reportArgumentType]
    run_python(
        tmp_path,
        str(folder / "run.py"),
        *("--name", str(folder), "--inputs", "x.npz", "--outputs", "y.npz"),
        extra=str(tmp_path / "vendor"),
    )
    with np.load(tmp_path / "y.npz") as outputs:
        (got,) = outputs.values()
    np.testing.assert_array_equal(got.astype(np.float32), compiled(x))


def test_saving_what_was_loaded_changes_nothing(
    saved: tuple[waferc.Compiled, Path], tmp_path: Path
) -> None:
    _, folder = saved
    waferc.load(folder).save(tmp_path / "again")
    first = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    again = tmp_path / "again"
    second = {p.relative_to(again): p.read_bytes() for p in again.rglob("*") if p.is_file()}
    assert first == second


def test_compiling_twice_gives_the_same_bundle() -> None:
    texts: list[object] = []
    for _ in range(2):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(9, 7), nn.Softmax(-1))
        bundle = waferc.compile(model, (torch.zeros(2, 9),), region=(3, 2), stages=2).bundle
        texts.append((dict(bundle.sources), bundle.manifest.document))
    assert texts[0] == texts[1]


@pytest.mark.parametrize("target", ["wse2", "wse3"])
def test_the_independent_checker_finds_nothing_in_emitted_text(target: str) -> None:
    model = nn.Sequential(nn.Linear(9, 12), nn.LayerNorm(12), nn.Linear(12, 5), nn.Softmax(-1))
    compiled = waferc.compile(model, (torch.zeros(3, 9),), region=(3, 2), stages=2, target=target)
    bundle = compiled.bundle
    assert check_sources(bundle.sources, bundle.layout, bundle.manifest.machine, {}) == []


def test_a_smaller_machine_of_ones_own_survives_saving(tmp_path: Path) -> None:
    machine = waferc.machine("wse2").grid(5, 4)
    compiled = waferc.compile(nn.Linear(4, 4), (torch.zeros(2, 4),), target=machine)
    compiled.save(tmp_path / "out")
    assert waferc.load(tmp_path / "out").bundle.manifest.machine == machine
