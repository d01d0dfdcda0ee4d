"""Bad input: whatever the text is, there is a result or an error of ours, in time."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.attempt import Hang, Outcome, attempt, limit
from tests.fuzz.csl import damaged
from tests.fuzz.host import attempt_calls
from tests.fuzz.seeds import Seed, small
from tests.runtime.csl.programs import HEAD, layout
from tests.runtime.host.csl_programs import compile_streaming

from waferc_ir.machine import machine
from waferc_runtime.csl import context
from waferc_runtime.csl.elaborate import elaborate
from waferc_runtime.host.engines import ENGINES, EngineName
from waferc_runtime.run_error import RunError


@pytest.fixture(autouse=True)
def _short_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "MAX_ITERATIONS", 2_000)


def _pe(text: str) -> Outcome:
    sources = {"layout.csl": layout(2, 1), "pe.csl": HEAD + text}
    return attempt(Seed(sources, "layout.csl", {}, "wse3"))


def test_the_seed_is_sound() -> None:
    assert attempt(small()) == Outcome("ran")


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.integers(0, 1 << 32))
def test_a_damaged_program_is_run_or_refused(number: int) -> None:
    attempt(damaged(small(), random.Random(number)), run_seconds=0.5)


@pytest.mark.parametrize(
    "text",
    [
        "comptime { while (true) {} }",
        "fn f(n: i32) i32 { return f(n + 1); } const x = f(0);"
        " comptime { @comptime_assert(x == 0); }",
        'const again = @import_module("pe.csl", .{ .memcpy_params = memcpy_params });',
        "var x: [1 << 40]f32; comptime { x[0] = 1.0; }",
        "const x = b; const b = x; comptime { @comptime_assert(x == 0); }",
        "const x: i32 = " + "(" * 20_000 + "1" + ")" * 20_000 + ";",
        "const x: i32 = 1" + "0" * 5_000 + ";",
        "const x = 1 << (1 << 40); comptime { @comptime_assert(x == 0); }",
    ],
)
def test_what_has_no_end_is_refused_in_its_place(text: str) -> None:
    outcome = _pe(text)
    assert outcome.how == "refused"
    assert "pe.csl" in outcome.error or "layout.csl" in outcome.error


@pytest.mark.parametrize("coordinate", ["1 << 70", "-(1 << 70)", "3000000000"])
def test_a_coordinate_beyond_all_bounds_is_refused_in_its_place(coordinate: str) -> None:
    text = f'layout {{ @set_rectangle(1, 1); @set_tile_code({coordinate}, 0, "pe.csl", .{{}}); }}'
    outcome = attempt(Seed({"layout.csl": text, "pe.csl": ""}, "layout.csl", {}, "wse3"))
    assert outcome.how == "refused"
    assert "layout.csl:1:" in outcome.error


@pytest.mark.parametrize("engine", list(ENGINES))
@pytest.mark.parametrize(
    ("body", "top"),
    [
        ("while (true) { k += 1; }", ""),
        ("@activate(@get_local_task_id(10));", ""),
        ("while (true) { f(); }", "fn f() void { k += 1; }"),
    ],
)
def test_a_program_without_end_ends_at_the_limit_of_cycles(
    engine: EngineName, body: str, top: str
) -> None:
    pe = f"""
        {HEAD} var k: i32 = 0; {top}
        task run() void {{ {body} }}
        comptime {{
          @bind_local_task(run, @get_local_task_id(10)); @activate(@get_local_task_id(10));
        }}
    """
    program = elaborate(
        {"layout.csl": layout(2, 1), "pe.csl": pe}, "layout.csl", machine("wse3"), {}
    )
    wafer = ENGINES[engine](program, machine("wse3"), max_cycles=5_000)
    with (
        limit(20),
        pytest.raises(RunError, match=r"5,000 cycles is passed on PE \(\d, 0\)"),
    ):
        wafer.start()


def test_large_integers_that_differ_between_pes_are_refused_or_kept_apart() -> None:
    text = f"""
      param px: i16;
      {HEAD} const large = if (px == 0) 1 << 70 else 3; var x: i32 = large - large;
      comptime {{ @comptime_assert(large != 4); }}
    """
    outcome = attempt(
        Seed(
            {"layout.csl": layout(2, 1), "pe.csl": text + "param py: i16;"},
            "layout.csl",
            {},
            "wse3",
        )
    )
    assert outcome == Outcome("ran")


def test_an_index_beyond_all_integers_is_past_the_array() -> None:
    text = f"""
      {HEAD} param px: i16; param py: i16; const far = 1 << 80; var a: [8]u32;
      const d = @get_dsd(mem1d_dsd, .{{ .tensor_access = |i|{{4}} -> a[i + far] }});
      task main() void {{ @mov32(d, 3); }}
      comptime {{
        @bind_local_task(main, @get_local_task_id(9)); @activate(@get_local_task_id(9));
      }}
    """
    sources = {"layout.csl": layout(2, 1), "pe.csl": text}
    outcome = attempt(Seed(sources, "layout.csl", {}, "wse3"))
    assert "of a is accessed on PE (0, 0)" in outcome.error


def test_a_limit_of_time_is_noticed() -> None:
    with pytest.raises(Hang), limit(0.05):
        time.sleep(5)


def test_no_csl_text_reaches_the_evaluator_of_python() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.audit"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("host")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return compile_streaming(folder)


@settings(max_examples=25, derandomize=True, deadline=None)
@given(st.integers(0, 1 << 32))
def test_calls_of_the_host_are_done_or_refused(compiled: Path, number: int) -> None:
    attempt_calls(random.Random(number), compiled)
