"""Exported program files: what is read, and what is refused before torch sees it."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.compiler.frontend.running_torch import differences
from torch import nn

from waferc.frontend.capture import capture
from waferc.frontend.captured import CaptureError
from waferc.frontend.lower import lower

Entries = dict[str, bytes]
X = torch.tensor([[1.0, -2.0, 3.0]])


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).eval()


@pytest.fixture(scope="module")
def entries() -> Entries:
    content = io.BytesIO()
    torch.export.save(torch.export.export(model(), (X,)), content)
    with zipfile.ZipFile(content) as archive:
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


def write(path: Path, entries: Entries, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(f"net/{name}", content)
    return path


class Bomb:
    """Unpickled, it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.write_text, (self.path, "boom")


def test_a_file_means_what_the_model_means(tmp_path: Path, entries: Entries) -> None:
    lowered = lower(capture(write(tmp_path / "net.pt2", entries)))
    assert lowered.program.name == "net"
    assert differences(lowered, model(), (X,)) == {}


def test_statements_keep_the_lines_of_the_model(tmp_path: Path, entries: Entries) -> None:
    lowered = lower(capture(write(tmp_path / "net.pt2", entries)))
    places = [s.at for s in lowered.program.statements if s.op.name == "graph.linear"]
    assert all(at is not None and at.file == "torch/nn/modules/linear.py" for at in places)


def test_example_inputs_are_not_unpickled(tmp_path: Path, entries: Entries) -> None:
    mark = tmp_path / "mark"
    changed = entries | {"data/sample_inputs/model.pt": pickle.dumps(Bomb(mark))}
    lower(capture(write(tmp_path / "net.pt2", changed)))
    assert not mark.exists()


def edited(entry: str, edit: Callable[[Any], None]) -> Callable[[Entries], Entries]:
    def change(entries: Entries) -> Entries:
        content = json.loads(entries[entry])
        edit(content)
        return entries | {entry: json.dumps(content).encode()}

    return change


MODEL, WEIGHTS = "models/model.json", "data/weights/model_weights_config.json"


def call(target: str) -> Callable[[Any], None]:
    def edit(content: Any) -> None:
        content["graph_module"]["graph"]["nodes"][0]["target"] = target

    return edit


def symbolic(content: Any) -> None:
    sizes = content["graph_module"]["graph"]["tensor_values"]["input"]["sizes"]
    sizes[0] = {"as_expr": {"expr_str": "__import__('os').getcwd()", "hint": None}}


def enumerated(content: Any) -> None:
    call = content["graph_module"]["module_call_graph"][0]["signature"]
    call["in_spec"] = '[1, {"__enum__": true, "fqn": "antigravity:x", "name": "y"}]'


def pickled(content: Any) -> None:
    next(iter(content["config"].values()))["use_pickle"] = True


def opaque(content: Any) -> None:
    next(iter(content["config"].values()))["path_name"] = "opaque_obj_0"


UNSAFE: dict[str, tuple[Callable[[Entries], Entries], str]] = {
    "pickled_weight": (
        edited(WEIGHTS, pickled),
        f"entry {WEIGHTS} has pickled tensors, which are never loaded",
    ),
    "opaque_object": (
        edited(WEIGHTS, opaque),
        f"entry {WEIGHTS} names an object opaque_obj_0 that only unpickling could load",
    ),
    "foreign_call": (
        edited(MODEL, call("torch.os.getcwd")),
        f"entry {MODEL} calls torch.os.getcwd, which is no ATen operator",
    ),
    "enum": (
        edited(MODEL, enumerated),
        f"entry {MODEL} has Python objects in its input or output structure",
    ),
    "legacy_weights": (
        lambda entries: entries | {"data/weights/model.pt": b""},
        "entry data/weights/model.pt is none that a plain exported program has",
    ),
    "compiled_code": (
        lambda entries: entries | {"data/aotinductor/model/a.so": b""},
        "entry data/aotinductor/model/a.so is none that a plain exported program has",
    ),
    "outside": (
        lambda entries: entries | {"../escape": b""},
        "entry ../escape is none that a plain exported program has",
    ),
    "no_json": (
        lambda entries: entries | {MODEL: b"{"},
        f"entry net/{MODEL} is damaged: Expecting property name enclosed in double quotes:"
        " line 1 column 2 (char 1)",
    ),
    "no_mapping": (lambda entries: entries | {MODEL: b"[]"}, f"entry net/{MODEL} is damaged"),
    "deep": (
        lambda entries: entries | {MODEL: b"[" * 200_000},
        f"entry net/{MODEL} is damaged: maximum recursion depth exceeded while decoding a JSON"
        " array from a unicode string",
    ),
}


@pytest.mark.parametrize("case", UNSAFE)
def test_unsafe_and_damaged_entries_are_refused(
    case: str, tmp_path: Path, entries: Entries
) -> None:
    change, expected = UNSAFE[case]
    path = write(tmp_path / "net.pt2", change(entries))
    with pytest.raises(CaptureError) as caught:
        capture(path)
    assert caught.value.message == f"{path}: {expected}"


def test_dynamic_shapes_are_refused(tmp_path: Path, entries: Entries) -> None:
    path = write(tmp_path / "net.pt2", edited(MODEL, symbolic)(entries))
    with pytest.raises(CaptureError, match="has dynamic shapes"):
        capture(path)


def test_compressed_entries_are_refused(tmp_path: Path, entries: Entries) -> None:
    path = write(tmp_path / "net.pt2", entries, zipfile.ZIP_DEFLATED)
    with pytest.raises(CaptureError, match="is compressed"):
        capture(path)


def test_what_is_no_exported_program_is_named(tmp_path: Path) -> None:
    text, other = tmp_path / "text.pt2", tmp_path / "other.pt2"
    text.write_text("hello")
    write(other, {"a": b""})
    for path, message in (
        (tmp_path / "none.pt2", f"there is no file {tmp_path / 'none.pt2'}"),
        (text, f"{text} is no exported program, or is damaged: File is not a zip file"),
        (other, f"{other} is no exported program"),
        (tmp_path, f"cannot read {tmp_path}: Is a directory"),
    ):
        with pytest.raises(CaptureError) as caught:
            capture(path)
        assert caught.value.message == message


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.99])
def test_truncated_files_are_refused(keep: float, tmp_path: Path, entries: Entries) -> None:
    path = write(tmp_path / "net.pt2", entries)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(CaptureError):
        capture(path)


def refused(path: Path, run: Callable[[], object]) -> bool:
    """Whether `run` ends with an error that names the file; any other error is a failure."""
    try:
        run()
    except CaptureError as problem:
        return problem.message.startswith(str(path))
    return False


@pytest.mark.parametrize("drop", [MODEL, WEIGHTS, "data/weights/weight_0", "archive_format"])
def test_missing_entries_lead_to_no_traceback(drop: str, tmp_path: Path, entries: Entries) -> None:
    path = write(tmp_path / "net.pt2", {k: v for k, v in entries.items() if k != drop})
    assert refused(path, lambda: capture(path))


@pytest.mark.parametrize("seed", range(8))
def test_changed_values_lead_to_no_traceback(seed: int, tmp_path: Path, entries: Entries) -> None:
    def edit(content: Any) -> None:
        places: list[tuple[Any, Any]] = []
        stack = [content]
        while stack:
            item = stack.pop()
            keys: list[Any] = list(item) if isinstance(item, dict) else list(range(len(item)))  # pyright: ignore
            places += [(item, key) for key in keys]
            stack += [item[key] for key in keys if isinstance(item[key], dict | list)]
        container, key = places[(seed * 7919) % len(places)]
        container[key] = [None, -1, "x", {}, 2**40][seed % 5]

    path = write(tmp_path / "net.pt2", edited(MODEL, edit)(entries))
    refused(path, lambda: lower(capture(path)))
