from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waferc_ir.machine import WSE3
from waferc_runtime.host.bundle import make_bundle, read_bundle, write_bundle
from waferc_runtime.host.contents import Bundle
from waferc_runtime.host.json_fields import BundleError
from waferc_runtime.host.manifest import machine_changes, parse_manifest, read_manifest

REGION = {"x": 0, "y": 0, "width": 2, "height": 1}
SPLIT = {"axis": "x", "block": 2}
DOCUMENT: Mapping[str, Any] = {
    "format": "waferc-bundle",
    "version": 2,
    "name": "small",
    "target": "wse3",
    "dtype": "f32",
    "layout": "csl/layout.csl",
    "width": 2,
    "height": 1,
    "state": [
        {"label": "w", "symbol": "w", "shape": [3], "dtype": "f32", "region": REGION,
         "splits": [SPLIT]}
    ],
    "entries": [
        {"label": "main", "function": "main",
         "inputs": [
            {"label": "x", "symbol": "x", "shape": [3], "dtype": "f32", "region": REGION,
             "splits": [SPLIT]}
         ],
         "outputs": [
            {"label": "y", "symbol": "y", "shape": [3], "dtype": "f32", "region": REGION,
             "splits": [SPLIT]}
         ],
         "tolerance": {"accumulation": 1}},
    ],
}  # fmt: skip
ENTRY = DOCUMENT["entries"][0]
SOURCES = {"layout.csl": "layout { }\n", "r0.csl": "// a PE\n"}
WEIGHTS = {"w": np.array([1, 2, 3], np.float32)}


def small() -> Bundle:
    return make_bundle(DOCUMENT, SOURCES, WEIGHTS)


def changed(*path: str | int, to: Any) -> dict[str, Any]:
    document = copy.deepcopy(dict(DOCUMENT))
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return document


def test_what_is_written_is_read(tmp_path: Path) -> None:
    bundle = small()
    write_bundle(bundle, tmp_path / "out", {"run.py": b"pass\n"})
    back = read_bundle(tmp_path / "out")
    assert back.manifest == bundle.manifest
    assert back.sources == SOURCES
    np.testing.assert_array_equal(back.weights["w"], WEIGHTS["w"])
    assert (tmp_path / "out" / "run.py").read_text() == "pass\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_a_folder_may_be_named_relatively_or_through_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_bundle(small(), "build/out", {})
    Path("link").symlink_to("build/out")
    assert read_bundle("build/out").sources == read_bundle("link").sources == SOURCES


def test_writing_again_replaces_a_bundle_but_nothing_else(tmp_path: Path) -> None:
    write_bundle(small(), tmp_path / "out", {"run.py": b""})
    write_bundle(small(), tmp_path / "out", {})
    assert not (tmp_path / "out" / "run.py").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("mine")
    with pytest.raises(BundleError, match="is not a bundle"):
        write_bundle(small(), tmp_path / "other", {})
    assert [p.name for p in (tmp_path / "other").iterdir()] == ["letter.txt"]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="cannot write"):
        write_bundle(small(), tmp_path / "file" / "out", {})
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (changed("format", to="zip"), "field format is not 'waferc-bundle'"),
        (changed("version", to=1), "field version is 1; this waferc reads version 2"),
        (changed("width", to=True), "field width is a boolean, not an integer"),
        (changed("width", to=10**6), "field width is outside 1 to 755"),
        (changed("target", to="wse9"), "field target is 'wse9'"),
        (changed("layout", to="../layout.csl"), "not the path of a .csl file in the bundle"),
        (changed("layout", to="/etc/passwd"), "not the path of a .csl file in the bundle"),
        (changed("entries", to=[]), "field entries is empty"),
        (changed("entries", 0, "function", to="a b"), "function is 'a b', not a CSL name"),
        (changed("entries", to=[ENTRY, ENTRY]), "entries[1].label is 'main', as that of another"),
        (changed("extra", to=1), "the document has unknown fields extra"),
        (changed("entries", 0, "inputs", to={}), "inputs is an object, not an array"),
        (changed("entries", 0, "inputs", 0, "shape", to=[4]), "inputs[0].splits[0] covers"),
        (changed("entries", 0, "inputs", 0, "shape", to=[3, 1]), "has 1 entries for 2 dimensions"),
        (
            changed("entries", 0, "inputs", 0, "region", "x", to=1),
            "inputs[0].region.width is outside 1 to 1",
        ),
        (changed("entries", 0, "inputs", 0, "splits", 0, "axis", to="z"), "splits[0].axis is 'z'"),
        (
            changed("entries", 0, "inputs", 0, "splits", to=[{"axis": "x", "block": 2**30}]),
            "bytes on each PE",
        ),
        (changed("entries", 0, "inputs", 0, "dtype", to="f64"), "inputs[0].dtype is 'f64'"),
        (changed("machine", to={"arch": "wse3", "clock_hz": -1}), "machine.clock_hz is outside"),
    ],
)
def test_a_wrong_field_is_named(document: dict[str, Any], message: str) -> None:
    if message.startswith("inputs[0].splits[0] covers"):
        document["entries"][0]["inputs"][0]["shape"] = [5]
    with pytest.raises(BundleError) as caught:
        read_manifest(document)
    assert message in str(caught.value)


def test_independent_problems_are_reported_together() -> None:
    document = changed("entries", 0, "inputs", 0, "symbol", to="1")
    document["entries"][0]["outputs"][0]["dtype"] = "f8"
    with pytest.raises(BundleError) as caught:
        read_manifest(document)
    assert "inputs[0].symbol" in str(caught.value)
    assert "outputs[0].dtype" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "the manifest is not JSON"),
        ("[" * 200_000, "nested too deeply"),
        ('{"version": ' + "9" * 10_000 + "}", "too many digits"),
        ("[]", "is an array, not an object"),
    ],
)
def test_text_that_is_no_manifest_is_an_error(text: str, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        parse_manifest(text)


def test_a_machine_of_ones_own_survives(tmp_path: Path) -> None:
    machine = WSE3.grid(20, 10)
    document = {**DOCUMENT, "machine": {"arch": machine.arch, **machine_changes(machine)}}
    assert read_manifest(document).machine == machine


@pytest.mark.parametrize(
    "weights", [{}, {"w": np.zeros(4, np.float32)}, {"w": np.zeros(3, np.float16)}]
)
def test_weights_that_do_not_fit_the_manifest_are_an_error(weights: Any) -> None:
    with pytest.raises(BundleError, match="weight 'w' is"):
        make_bundle(DOCUMENT, SOURCES, weights)


@pytest.mark.parametrize("name", ["manifest.json", "csl/layout.csl", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "binary", "folder"])
def test_a_damaged_file_is_an_error(tmp_path: Path, name: str, damage: str) -> None:
    write_bundle(small(), tmp_path / "out", {})
    path = tmp_path / "out" / name
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes(
            {"empty": b"", "cut": content[: len(content) // 2], "binary": b"\xff\xfe" * 40}[damage]
        )
    if name == "csl/layout.csl" and damage in ("empty", "cut"):
        assert read_bundle(tmp_path / "out").sources["layout.csl"] != SOURCES["layout.csl"]
        return
    with pytest.raises(BundleError):
        read_bundle(tmp_path / "out")


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    write_bundle(small(), tmp_path / "out", {})
    (tmp_path / "secret.csl").write_text("secret")
    layout = tmp_path / "out" / "csl" / "layout.csl"
    layout.unlink()
    layout.symlink_to(tmp_path / "secret.csl")
    with pytest.raises(BundleError, match="leads out of the bundle"):
        read_bundle(tmp_path / "out")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(st.sampled_from(sorted(DOCUMENT)), JSON)
def test_any_value_in_any_field_is_taken_or_refused(field: str, value: object) -> None:
    with contextlib.suppress(BundleError):
        parse_manifest(json.dumps({**DOCUMENT, field: value}))


@given(st.binary(max_size=200), st.integers(0, 120))
def test_any_bytes_as_weights_are_taken_or_refused(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, at: int
) -> None:
    folder = tmp_path_factory.mktemp("bundle") / "out"
    write_bundle(small(), folder, {})
    path = folder / "weights.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:at] + junk)
    with contextlib.suppress(BundleError):
        read_bundle(folder)
