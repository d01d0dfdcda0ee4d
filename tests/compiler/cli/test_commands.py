from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from waferc import cli
from waferc_ir.ops import OPS

MODULE = """
import torch
from torch import nn


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(6, 10)
        self.second = nn.Linear(10, 3)

    def forward(self, x):
        return torch.softmax(self.second(torch.relu(self.first(x))), dim=-1)


class Sorted(nn.Module):
    def forward(self, x):
        return torch.sort(x)[0] + torch.cumsum(x, dim=-1)


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.zeros(1, 1))

    def forward(self, ids, position):
        self.total.copy_(self.total * (position > 0) + ids)
        return -(torch.arange(8) - self.total[..., None]) ** 2


def counting():
    return Counting(), (torch.zeros(1, 1, dtype=torch.long), torch.zeros(1, dtype=torch.long))


class Summing(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.zeros(3))

    def forward(self, x):
        self.total += x.sum(0)
        return self.total


def summing():
    return Summing(), {"rows": (torch.ones(4, 3),), "row": (torch.ones(1, 3),)}


def small():
    return Small(), (torch.ones(4, 6),)


def unsupported():
    return Sorted(), (torch.ones(4, 6),)


def broken():
    return 1 / 0


def nothing():
    return 7
"""

Command = Callable[..., int]


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "small.py"
    path.write_text(MODULE)
    return path


def waferc(*arguments: object) -> int:
    return cli.run([str(argument) for argument in arguments])


def test_from_a_module_to_verified_outputs(
    module: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, x, y = tmp_path / "out", tmp_path / "x.npz", tmp_path / "y.npz"
    assert waferc("compile", f"{module}:small", "--region", "2x2", "-o", out) == 0
    assert {"csl", "manifest.json", "run.py", "weights.safetensors"} == {
        path.name for path in out.iterdir()
    }
    np.savez(x, x=np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32))
    assert waferc("run", out, "--input", x, "-o", y) == 0
    with np.load(y) as outputs:
        assert outputs["output"].shape == (4, 3)
    assert waferc("verify", out, "--expected", y, "--input", x) == 0
    assert waferc("verify", out, "--model", f"{module}:small", "--input", x) == 0
    assert waferc("verify", out, "--model", f"{module}:small") == 0
    assert waferc("report", out, "--input", x) == 0
    assert waferc("trace", out, tmp_path / "trace.json") == 0
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    printed = capsys.readouterr()
    assert "equal within tolerance" in printed.out
    assert "critical path" in printed.out
    assert "Traceback" not in printed.err


@pytest.mark.parametrize("change", ["zero", "double", "shuffle"])
def test_wrong_outputs_do_not_verify(
    change: str, module: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, x, y = tmp_path / "out", tmp_path / "x.npz", tmp_path / "y.npz"
    waferc("compile", f"{module}:small", "--region", "1x1", "-o", out)
    np.savez(x, x=np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32))
    waferc("run", out, "--input", x, "-o", y)
    with np.load(y) as outputs:
        good = outputs["output"]
    wrong = {"zero": 0 * good, "double": 2 * good, "shuffle": good[::-1].copy()}[change]
    np.savez(y, output=wrong)
    assert waferc("verify", out, "--expected", y, "--input", x) == 1
    assert "NOT equal" in capsys.readouterr().out


def test_program_text_goes_to_standard_output_and_comes_back(
    module: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = f"{module}:small"
    assert waferc("compile", model, "--region", "2x1", "--emit", "tiled", "--time-passes") == 0
    tiled = capsys.readouterr()
    assert tiled.out.startswith("tiled @")
    assert " s  tile{width=2,height=1}" in tiled.err
    (tmp_path / "p.wir").write_text(tiled.out)
    assert waferc("opt", tmp_path / "p.wir") == 0
    assert capsys.readouterr().out == tiled.out

    assert waferc("compile", model, "--emit", "graph") == 0
    graph = capsys.readouterr().out
    assert graph.startswith("graph @")
    (tmp_path / "g.wir").write_text(graph)
    assert waferc("opt", tmp_path / "g.wir", "-p", "decompose,tile{width=2,height=1}") == 0
    assert capsys.readouterr().out.startswith("tiled @")

    assert waferc("compile", model, "--region", "2x1", "--emit", "csl") == 0
    csl = capsys.readouterr().out
    assert "@set_rectangle(2, 1)" in csl
    assert "small.py:14" in csl

    assert waferc("compile", model, "--dump-after", "decompose") == 0
    assert "graph.contract" in capsys.readouterr().out


def test_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert waferc("ops") == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in OPS)
    assert waferc("ops", "--torch", "gelu") == 0
    assert "aten.gelu.default" in capsys.readouterr().out
    assert waferc("machines") == 0
    assert "755 x 1170" in capsys.readouterr().out
    assert waferc("machines", "wse2") == 0
    assert "hop_pj_per_wavelet" in capsys.readouterr().out
    assert waferc("passes") == 0
    assert capsys.readouterr().out.split()[0] == "fold-constants"
    assert waferc("passes", "tile") == 0
    assert "stages (int, default 1)" in capsys.readouterr().out


def complaint(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command that is refused with exit code 1 says on standard error."""
    code = waferc(*arguments)
    printed = capsys.readouterr()
    assert code == 1
    assert printed.out == ""
    assert "Traceback" not in printed.err
    assert "bug in waferc" not in printed.err
    return printed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--target", "wse9", "-o", "{out}"), "no machine is called 'wse9'"),
        (("--region", "16", "-o", "{out}"), "write it as WIDTHxHEIGHT"),
        (("--region", "9999x1", "-o", "{out}"), "does not fit wse3"),
        (("--stages", "0", "-o", "{out}"), "stages is 0"),
        (("--dump-after", "tiles"), "no pass is called tiles"),
        (("--input", "4x6xf64", "-o", "{out}"), "no shape and type"),
        ((), "nothing to do with the compiled model"),
        (("-o", "{file}"), "is not a bundle"),
        (("-o", "{file}/out"), "cannot write"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_written(
    arguments: tuple[str, ...],
    message: str,
    module: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("mine")
    before = sorted(path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts)
    places = {"out": tmp_path / "out", "file": tmp_path / "file"}
    filled = [argument.format(**places) for argument in arguments]
    assert message in complaint(capsys, "compile", f"{module}:small", *filled)
    after = sorted(path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts)
    assert after == before


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("{module}", "write MODULE.py:FACTORY"),
        ("missing.py:f", "there is no file missing.py"),
        ("missing.pt2", "missing.pt2"),
        ("{module}:none", "has no factory 'none'"),
        ("{module}:broken", "raised ZeroDivisionError: division by zero"),
        ("{module}:nothing", "not int"),
    ],
)
def test_what_is_no_model_is_named(
    model: str, message: str, module: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = model.format(module=module)
    assert message in complaint(capsys, "compile", text, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_users_line_is_shown(
    module: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = complaint(capsys, "compile", f"{module}:broken", "-o", tmp_path / "out")
    assert "return 1 / 0" in said
    said = complaint(capsys, "compile", f"{module}:unsupported", "-o", tmp_path / "out")
    assert "sort" in said
    assert "cumsum" in said
    assert "torch.sort(x)[0]" in said


def test_wrong_inputs_are_named(
    module: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, x, y = tmp_path / "out", tmp_path / "x.npz", tmp_path / "y.npz"
    waferc("compile", f"{module}:small", "--region", "1x1", "-o", out)
    capsys.readouterr()
    for arrays, message in (
        ({"x": np.zeros((4, 5), np.float32)}, "input 'x' is 4x5 float32; the program takes 4x6"),
        ({"x": np.zeros((4, 6))}, "is 4x6 float64"),
        ({"z": np.zeros(1)}, "no input 'z'"),
        ({}, "input 'x' is missing"),
        ({"x": np.array([{}])}, "holds Python objects"),
    ):
        np.savez(x, **arrays)  # pyright: ignore[reportArgumentType]
        assert message in complaint(capsys, "run", out, "--input", x, "-o", y)
    x.write_bytes(b"PK\x03\x04 not a zip file")
    assert "is damaged" in complaint(capsys, "run", out, "--input", x, "-o", y)
    assert "cannot read" in complaint(capsys, "run", out, "--input", tmp_path, "-o", y)
    assert not y.exists()


def test_damaged_bundles_and_programs_are_named(
    module: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is not a folder" in complaint(capsys, "report", tmp_path / "nowhere")
    assert "is not a folder" in complaint(capsys, "trace", tmp_path / "nowhere", tmp_path / "t")
    out = tmp_path / "out"
    waferc("compile", f"{module}:small", "--region", "1x1", "-o", out)
    capsys.readouterr()
    layout = out / "csl" / "layout.csl"
    layout.write_text(layout.read_text()[:200])
    assert "error[csl]" in complaint(capsys, "report", out)
    (tmp_path / "p.wir").write_text("graph @p { %0 = graph.nothing {} }")
    assert "error[parse]" in complaint(capsys, "opt", tmp_path / "p.wir")
    (tmp_path / "p.wir").write_bytes(b"\xff")
    assert "not UTF-8" in complaint(capsys, "opt", tmp_path / "p.wir")
    assert "error[pass]" in complaint(capsys, "opt", tmp_path / "p.wir", "-p", "tiles")


def test_a_wrong_command_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ((), ("fly",), ("run",), ("compile", "m.py:f", "--dtype", "f8")):
        assert waferc(*arguments) == 2
    assert "usage: waferc" in capsys.readouterr().err
    assert waferc("--help") == 0
    assert waferc("compile", "--help") == 0


def test_our_own_mistakes_are_said_to_be_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(arguments: argparse.Namespace) -> int:
        raise KeyError("somewhere")

    monkeypatch.setitem(cli.VERBS, "machines", fail)
    assert waferc("machines") == 1
    said = capsys.readouterr().err
    assert "this is a bug in waferc: KeyError: 'somewhere'" in said
    assert "in fail, test_commands.py" in said
    assert "Traceback" not in said


def test_an_exported_program_compiles_and_verifies(
    module: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(6, 3)
    path, out, x = tmp_path / "m.pt2", tmp_path / "out", tmp_path / "x.npz"
    torch.export.save(torch.export.export(model, (torch.ones(4, 6),)), path)
    assert waferc("compile", path, "--region", "2x2", "-o", out) == 0
    assert "--input" in complaint(capsys, "verify", out, "--model", path)
    np.savez(x, input=np.ones((4, 6), np.float32))
    assert waferc("verify", out, "--model", path, "--input", x) == 0


def test_every_verb_of_the_parser_is_known() -> None:
    (verbs,) = (a for a in cli.build_parser()._actions if a.dest == "verb")  # pyright: ignore
    assert set(cli.VERBS) == set(verbs.choices or ())


def test_a_decoder_generates_tokens(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = module.parent / "out"
    assert waferc("compile", f"{module}:counting", "--region", "1x1", "-o", out) == 0
    start = ("generate", out, "--context", 8, "--max-new-tokens", 3)
    assert waferc(*start, "--prompt", "2,0") == 0
    assert capsys.readouterr().out.split() == ["2", "4", "7"]
    assert waferc(*start, "--prompt", "2,0", "--verify", f"{module}:counting") == 0
    assert "equal within tolerance: relative L2 error" in capsys.readouterr().err
    assert waferc(*start, "--prompt", "2,0", "--verify", f"{module}:small") == 1
    assert "PyTorch cannot run the model on these tokens" in capsys.readouterr().err
    assert "'a' is no list" in complaint(capsys, *start, "--prompt", "a")
    assert "need a context of 9" in complaint(capsys, *start, "--prompt", "1,1,1,1,1,1,1")
    assert "different lengths" in complaint(capsys, *start, "--prompt", "1", "--prompt", "1,2")


def test_a_model_is_compiled_at_any_level_to_generate_tokens(
    module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = ("generate", f"{module}:counting", "--prompt", "2,0", "--max-new-tokens", 3)
    for level in ("-O0", "-O2"):
        assert waferc(*start, "--context", 8, "--region", "2x1", level) == 0
        assert capsys.readouterr().out.split() == ["2", "4", "7"]
    assert "a model is compiled for a context" in complaint(capsys, *start)
    late = (*start, "--context", 8, "--time-budget", 3)
    assert "level 1 compares no plans" in complaint(capsys, *late)


def test_a_search_for_plans_says_what_it_found(
    module: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = ("compile", f"{module}:summing", "--region", "2x1", "-o", tmp_path / "out", "-O2")
    assert waferc(*start, "--calls", "row=5", "--calls", "rows=1") == 0
    said = capsys.readouterr().err
    assert re.search(
        r"^\d+ plans in \d+\.\d s \(nothing more to try\): [\d,]+ cycles on 2 x 1 PEs", said
    )
    assert "help: entries are rows, row" in complaint(capsys, *start, "--calls", "column=5")


def test_entries_of_a_bundle_are_called_by_name(
    module: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert waferc("compile", f"{module}:summing", "--region", "2x1", "-o", out) == 0
    np.savez(tmp_path / "x.npz", x=np.full((1, 3), 2, np.float32))
    run = ("run", out, "--input", tmp_path / "x.npz", "-o", tmp_path / "y.npz")
    assert waferc(*run, "--entry", "row") == 0
    np.testing.assert_array_equal(np.load(tmp_path / "y.npz")["output"], [2, 2, 2])
    assert waferc("verify", out, "--model", f"{module}:summing", "--entry", "rows") == 0
    capsys.readouterr()
    assert waferc("report", out, "--entry", "row") == 0
    said = capsys.readouterr().out
    assert "entry row" in said
    assert "in one layout for all 2 entries: none is laid out anew" in said
    assert waferc(*run) == 1
    assert "has 2 entries, and none is named" in capsys.readouterr().err
    assert waferc(*run, "--entry", "column") == 1
    assert "= help: its entries: rows, row" in capsys.readouterr().err
    assert waferc("generate", out, "--prompt", "1") == 1
    assert "has 2 entries, and none is named" in capsys.readouterr().err
    assert waferc("compile", f"{module}:summing", "--region", "2x1", "--emit", "tiled") == 0
    text = capsys.readouterr().out
    (tmp_path / "p.wir").write_text(text)
    assert waferc("opt", tmp_path / "p.wir", "-p", "share-common") == 0
    assert 'tile.entry {label = "row"}' in capsys.readouterr().out
