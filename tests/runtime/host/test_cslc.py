from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runtime.host.csl_programs import STREAMING, compile_streaming, write_sources

from waferc_ir.diagnostics import WaferError
from waferc_runtime.drop_in import cslc
from waferc_runtime.host.artifact import ARTIFACT, read_artifact
from waferc_runtime.host.cslc_options import parse_cslc
from waferc_runtime.host.errors import HostError

names = st.from_regex(r"[A-Za-z_]\w{0,9}", fullmatch=True)


@given(st.dictionaries(names, st.integers(-(2**40), 2**40), max_size=6))
def test_params_come_back_however_they_are_grouped(params: dict[str, int]) -> None:
    parts = [f"{name}:{value}" for name, value in params.items()]
    grouped = [",".join(parts[:2]), *parts[2:]]
    flags = [f"--params={group}" for group in grouped if group]
    assert parse_cslc(["layout.csl", *flags]).params == params


def test_the_flags_of_public_scripts_are_understood() -> None:
    options = parse_cslc(
        ["--arch", "wse3", "./layout.csl", "--fabric-dims=11,5", "--fabric-offsets=4,1",
         "--params=M:6,N:0x10", "--colors=x:1", "-o=build", "--memcpy", "--channels", "1",
         "--width-west-buf=2", "--width-east-buf=0", "--verbose", "--import-path=lib",
         "--max-inlined-iterations=4"]
    )  # fmt: skip
    assert (options.arch, options.output, options.memcpy) == ("wse3", "build", True)
    assert (options.params, options.colors) == ({"M": 6, "N": 16}, {"x": 1})
    assert (options.fabric, options.buffers) == ((11, 5), (2, 0))
    assert parse_cslc(["layout.csl"]).arch == "wse2"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--params=M"], "'M' is no assignment"),
        (["--params=M:six"], "M is given 'six', which is no integer"),
        (["--params=M:1", "--params=M:2"], "M is given twice"),
        (["--params=c:1", "--colors=c:1"], "c is given by --params and by --colors"),
        (["--fabric-dims=8"], "'8' is not of the form W,H"),
        (["--fp16-format=cb16"], "--fp16-format=cb16 is not supported"),
        (["--frobnicate"], "unrecognized arguments: --frobnicate"),
    ],
)
def test_wrong_flags_are_named(flags: list[str], message: str) -> None:
    with pytest.raises(HostError, match=message):
        parse_cslc(["layout.csl", *flags])


def test_a_compiled_program_stands_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    out = compile_streaming(tmp_path)
    summary = json.loads((out / "out.json").read_text())
    assert summary["params"] == {"width": "2", "height": "1", "IN_ID": "4", "OUT_ID": "5"}
    assert [path.name for path in (out / "bin").iterdir()] == ["out_0.elf"]
    for name in STREAMING:  # nothing of the sources is read again
        (tmp_path / name).unlink()
    artifact = read_artifact(out)
    assert artifact.sources == STREAMING
    assert artifact.elaborate().width == 2


def test_an_error_in_the_program_ends_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_sources(tmp_path, {"layout.csl": "layout {\n  @set_rectangle(1, wide);\n}\n"})
    assert cslc.main(["layout.csl"]) == 1
    assert "--> layout.csl:2:21" in capsys.readouterr().err
    assert cslc.main(["absent.csl"]) == 1
    assert "there is no file absent.csl" in capsys.readouterr().err
    assert cslc.main(["layout.csl", "--params=1"]) == 2
    assert not (tmp_path / "out").exists()


def test_a_program_must_fit_the_fabric_with_the_hosts_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_sources(tmp_path, STREAMING)
    flags = ["--arch=wse3", "--params=width:2,height:1,IN_ID:4,OUT_ID:5", "--memcpy"]
    assert cslc.main(["src/layout.csl", *flags, "--fabric-dims=9,3"]) == 0
    assert cslc.main(["src/layout.csl", *flags, "--fabric-dims=8,3"]) == 1
    assert "needs a fabric of 9 x 3" in capsys.readouterr().err


@given(st.data())
def test_a_damaged_program_is_an_error_that_names_it(data: st.DataObject) -> None:
    document: dict[str, object] = {
        "format": "waferc-csl", "version": 1, "arch": "wse3", "layout": "a.csl",
        "params": {"n": 1}, "colors": {}, "import_paths": [], "offsets": [4, 1], "streams": [],
        "data": [], "is_layout": 0, "sources": {"a.csl": "layout { @set_rectangle(1, 1); }"},
    }  # fmt: skip
    junk = st.sampled_from([None, [], {}, "x", 1.5, True, -1, [1, 2, 3], {"a": [1]}])
    field = data.draw(st.sampled_from(sorted(document)))
    document[field] = data.draw(junk)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / ARTIFACT).write_text(json.dumps(document))
        try:
            artifact = read_artifact(folder)
        except WaferError as error:
            told = str(error)
        else:  # the junk happened to be a value that the field can have
            told = ARTIFACT
            assert isinstance(artifact.layout, str)
            assert all(isinstance(text, str) for text in artifact.sources.values())
        assert ARTIFACT in told


def test_a_folder_without_a_program_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="holds no compiled program"):
        read_artifact(tmp_path)
    (tmp_path / ARTIFACT).write_text('{"format": ')
    with pytest.raises(WaferError, match="not JSON"):
        read_artifact(tmp_path)
