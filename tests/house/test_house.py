"""The house's own rules: what no single room would notice."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
import zipfile
from pathlib import Path

from waferc.emit.kernels.table import KERNELS
from waferc.evaluate.graph import MEANINGS
from waferc.passes.base import Pass
from waferc.pipeline import PASSES, PIPELINE
from waferc_ir.ops import OPS

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {
    "compiler": ROOT / "compiler" / "waferc",
    "ir": ROOT / "ir" / "waferc_ir",
    "runtime": ROOT / "runtime" / "waferc_runtime",
}
LONGEST_LINES = 500
SOURCES = sorted(
    path
    for folder in (*ROOMS.values(), ROOT / "tests", ROOT / "samples")
    for path in folder.rglob("*.py")
)

CONTRACT_FILES = {"runtime/waferc_runtime/csl/core.py"}  # the one language of both engines


def test_no_file_is_longer_than_a_room_may_be() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in SOURCES}
    long = {str(path.relative_to(ROOT)) for path, n in lengths.items() if n > LONGEST_LINES}
    assert long <= CONTRACT_FILES, "split these files"


def test_every_module_says_what_is_behind_its_door() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for folder in ROOMS.values()
        for path in folder.rglob("*.py")
        if ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert silent == []


def test_every_room_is_typed_for_its_users() -> None:
    for folder in ROOMS.values():
        assert (folder / "py.typed").is_file()


def test_every_pass_is_in_the_pipeline_and_explains_itself() -> None:
    package = importlib.import_module("waferc.passes")
    found: set[type[Pass]] = set()
    for module in pkgutil.iter_modules(package.__path__):
        members = vars(importlib.import_module(f"waferc.passes.{module.name}")).values()
        found |= {m for m in members if inspect.isclass(m) and issubclass(m, Pass)}
    found -= {Pass}
    assert found == set(PIPELINE)
    assert len(PASSES) == len(set(PIPELINE))
    for cls in found:
        assert cls.__doc__ is not None
        assert not cls.__doc__.startswith(f"{cls.__name__}("), cls
        assert cls.name.replace("-", "") == cls.__name__.lower()


def test_every_op_says_what_it_means() -> None:
    # a dataclass without docstring gets its signature for one
    made = {name: f"{op.__name__}(" for name, op in OPS.items()}
    silent = [name for name, op in OPS.items() if (op.__doc__ or "").startswith(made[name])]
    assert silent == []


def test_every_graph_op_has_a_meaning() -> None:
    from_and_to_outside = {
        "graph.input", "graph.parameter", "graph.state", "graph.store", "graph.output",
        "graph.entry",
    }  # fmt: skip
    graph = {name for name in OPS if name.startswith("graph.")}
    assert {op.name for op in MEANINGS} == graph - from_and_to_outside


def test_every_tiled_op_has_a_kernel_or_moves_nothing_on_a_pe() -> None:
    named_only = {"tile.input", "tile.state", "tile.store", "tile.entry", "tile.output"}
    between_regions = {"stream.transfer"}
    tiled = {name for name in OPS if not name.startswith("graph.")}
    assert set(KERNELS) == tiled - named_only - between_regions


def imports(code: str) -> set[str]:
    """Modules that are loaded in a fresh interpreter after running `code`."""
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    path = [str(folder.parent) for folder in ROOMS.values()]
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": ":".join(path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_importing_waferc_does_not_import_torch() -> None:
    loaded = imports("import waferc, waferc.cli")
    assert "waferc.driver" in loaded
    assert "torch" not in loaded


def test_the_runtime_sees_no_programs() -> None:
    loaded = imports("import waferc_runtime")
    assert "waferc_runtime.vector.engine" in loaded
    assert not {name for name in loaded if name.split(".")[0] in ("waferc", "torch", "jinja2")}


def test_the_wheel_holds_three_packages_with_their_data(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"waferc", "waferc_ir", "waferc_runtime"}
    for folder in ROOMS.values():
        data = [p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".pyc",)]
        for path in data:
            assert f"{folder.name}/{path.relative_to(folder)}" in names
