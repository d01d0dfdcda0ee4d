from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.runtime.host.csl_programs import STREAMING, write_sources

from waferc import cli

PROGRAM = [
    *("src/layout.csl", "--arch", "wse3"),
    *("--params=width:2,height:1", "--params=IN_ID:4,OUT_ID:5"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_sources(tmp_path, STREAMING)
    return tmp_path


def test_check_says_what_a_program_consists_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["csl", "check", *PROGRAM]) == 0
    out = capsys.readouterr().out
    assert out.startswith("src/layout.csl: 2 x 1 PEs for wse3\n  2 x src/pe/triple.csl: ")
    assert "exports add: fn(i16, f32)void" in out
    assert cli.run(["csl", "check", "src/layout.csl", "--params=width:2"]) == 1
    assert "height" in capsys.readouterr().err
    assert cli.run(["csl", "check", "absent.csl"]) == 1
    assert "there is no file absent.csl" in capsys.readouterr().err


def test_run_copies_in_calls_and_copies_out(folder: Path) -> None:
    np.savez(folder / "x.npz", sums=np.array([[[1, 2]], [[3, 4]]], np.uint32).reshape(1, 2, 2))
    launches = ["--launch", "add(3, 2.5)", "--launch", "add(1, 0)"]
    run = ["csl", "run", *PROGRAM, *launches, "--input", "x.npz", "-o", "y.npz"]
    assert cli.run(run) == 0
    with np.load(folder / "y.npz") as outputs:
        np.testing.assert_array_equal(outputs["sums"], [[[1, 8], [3, 10]]])
        np.testing.assert_array_equal(outputs["halves"], [[[7, 8, 9], [7, 8, 9]]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--launch", "absent"], "exports no symbol 'absent'"),
        (["--launch", "add(1)"], "add takes 2 arguments and is given 1"),
        (["--launch", "add(x, 1)"], "'x' is no number"),
        (["--launch", "add("], "write the name of a function"),
        (["--launch", "forget"], "not called unblock_cmd_stream"),
        (["--seed", "-1"], "seeds are not negative"),
    ],
)
def test_run_names_what_is_wrong(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["csl", "run", *PROGRAM, *arguments]) == 1
    assert message in capsys.readouterr().err


def test_profile_tells_what_tasks_and_functions_took(capsys: pytest.CaptureFixture[str]) -> None:
    tables: list[str] = []
    for engine in ("vector", "reference"):
        launches = ["--launch", "add(3, 2.5)", "--launch", "add(1, 0)"]
        assert cli.run(["csl", "profile", *PROGRAM, *launches, "--engine", engine]) == 0
        tables.append(capsys.readouterr().out)
    assert tables[0] == tables[1]
    lines = tables[0].splitlines()
    whole = int(lines[0].split()[0].replace(",", ""))
    assert "2 PEs of src/pe/triple.csl" in lines
    (add,) = [line.split()[1:] for line in lines if line.startswith("  add ")]
    calls, cycles, *parts = (int(number.replace(",", "")) for number in add)
    assert calls == 2
    assert sum(parts) == cycles > 0
    tasks = [line for line in lines if line.startswith("  ") and line[2] != " "]
    spent = [int(line.split()[2].replace(",", "")) for line in tasks if "no task" not in line]
    rest = int(lines[-1].split()[-1].replace(",", ""))
    assert abs(sum(spent) + rest - whole) <= len(tasks)


def test_trace_tells_tasks_as_text_and_as_json(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    launch = ["--launch", "add(3, 2.5)"]
    assert cli.run(["csl", "trace", *PROGRAM, *launch, "--pe", "1,0"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert "PE (1, 0)  host task add" in line
    assert cli.run(["csl", "trace", *PROGRAM, *launch, "-o", "trace.json"]) == 0
    events = json.loads((folder / "trace.json").read_text())["traceEvents"]
    tasks = [event for event in events if event["ph"] == "X"]
    assert [task["name"] for task in tasks] == ["add", "add"]
    named = {event["args"]["name"] for event in events if event["ph"] == "M"}
    assert named == {"PE (0, 0)", "PE (1, 0)", "tasks"}
    assert cli.run(["csl", "trace", *PROGRAM, "--wavelets"]) == 0


WAITING = """
const red: color = @get_color(1);
const queue = @get_input_queue(2);
var word: u32 = 0;
const fin = @get_dsd(fabin_dsd, .{ .fabric_color = red, .extent = 1, .input_queue = queue });
fn main() void { @mov32(&word, fin); }
comptime {
  if (@is_arch("wse3")) { @initialize_queue(queue, .{ .color = red }); }
  @export_symbol(main);
}
"""
WAITING_LAYOUT = """
layout {
  @set_rectangle(1, 1);
  @set_tile_code(0, 0, "waiting.csl", .{});
  @export_name("main", fn()void);
  ROUTES
}
"""


SWITCHED = """
@set_color_config(0, 0, @get_color(1), .{
  .routes = .{ .rx = .{ EAST }, .tx = .{ WEST } }, .switches = .{ .pos1 = .{ .rx = RAMP } },
});
"""


@pytest.mark.parametrize("routes", ["", SWITCHED], ids=["no route", "not to the ramp"])
@pytest.mark.parametrize("engine", ["vector", "reference"])
def test_a_pe_that_waits_at_rest_is_an_error(
    folder: Path, engine: str, routes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "waiting.csl").write_text(WAITING)
    (folder / "waiting_layout.csl").write_text(WAITING_LAYOUT.replace("ROUTES", routes))
    run = ["csl", "run", "waiting_layout.csl", "--arch", "wse3", "--engine", engine]
    assert cli.run(run) == 0
    assert cli.run([*run, "--launch", "main"]) == 1
    told = capsys.readouterr().err
    assert "the wafer is at rest, but 1 PE still waits on color 1, first PE (0, 0)" in told
    assert "waiting.csl:6:18" in told
    assert "for color 1 (0 of 1 done)" in told


def test_a_trace_of_a_stall_shows_what_came_before(capsys: pytest.CaptureFixture[str]) -> None:
    launches = ["--launch", "forget", "--launch", "add(1, 1)"]
    assert cli.run(["csl", "trace", *PROGRAM, *launches]) == 1
    told = capsys.readouterr()
    assert "host task forget" in told.out
    assert "not called unblock_cmd_stream" in told.err
