from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.runtime.host.csl_programs import compile_streaming

from waferc_runtime.host.debug_util import debug_util
from waferc_runtime.host.errors import HostError
from waferc_runtime.host.sdk import MemcpyDataType, MemcpyOrder, SdkRuntime
from waferc_runtime.run_error import RunError

IN, OUT = 4, 5


@pytest.fixture(params=["vector", "reference"])
def runtime(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SdkRuntime:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAFERC_ENGINE", request.param)
    monkeypatch.setenv("WAFERC_STATISTICS", str(tmp_path / "statistics.jsonl"))
    runtime = SdkRuntime("out" if (tmp_path / "out").exists() else compile_streaming(tmp_path))
    runtime.load()
    runtime.run()
    return runtime


def test_words_come_back_in_order_and_in_any_order_of_the_host(runtime: SdkRuntime) -> None:
    words = np.arange(6, dtype=np.uint32)
    runtime.memcpy_h2d(
        IN, words, 0, 0, 2, 1, 3, streaming=True, order=MemcpyOrder.COL_MAJOR, nonblock=True
    )
    out = np.zeros(6, np.uint32)
    runtime.memcpy_d2h(out, OUT, 0, 0, 2, 1, 3, streaming=True)
    np.testing.assert_array_equal(out, [0, 6, 12, 3, 9, 15])
    runtime.stop()
    (line,) = Path("statistics.jsonl").read_text().splitlines()
    assert json.loads(line)["cycles"] > 0


def test_a_receive_may_be_asked_for_before_its_words_are_sent(runtime: SdkRuntime) -> None:
    first, second = np.zeros(2, np.float32), np.zeros(1, np.uint32)
    early = runtime.memcpy_d2h(first, OUT, 1, 0, 1, 1, 2, streaming=True, nonblock=True)
    late = runtime.memcpy_d2h(second, OUT, 1, 0, 1, 1, 1, streaming=True, nonblock=True)
    assert not runtime.is_task_done(early)
    runtime.memcpy_h2d(IN, np.array([1, 2], np.uint32), 1, 0, 1, 1, 2, streaming=True)
    assert runtime.is_task_done(early)
    np.testing.assert_array_equal(first.view(np.uint32), [3, 6])
    assert not runtime.is_task_done(late)
    runtime.memcpy_h2d(IN, np.array([5], np.uint32), 1, 0, 1, 1, 1, streaming=True)
    runtime.task_wait(late)
    np.testing.assert_array_equal(second, [15])


def test_what_never_comes_is_told_at_the_end(runtime: SdkRuntime) -> None:
    out = np.zeros(1, np.uint32)
    task = runtime.memcpy_d2h(out, OUT, 0, 0, 1, 1, 1, streaming=True, nonblock=True)
    with pytest.raises(RunError, match="at rest"):
        runtime.task_wait(task)
    with pytest.raises(RunError, match="at rest"):
        runtime.stop()


def test_typed_arguments_reach_the_function(runtime: SdkRuntime) -> None:
    runtime.launch("add", np.int16(3), np.float32(2.5))
    runtime.call("add", [4, 1.0])
    sums = np.zeros(4, np.uint32)
    runtime.memcpy_d2h(sums, runtime.get_id("sums"), 0, 0, 2, 1, 2)
    np.testing.assert_array_equal(sums, [0, 10, 0, 10])
    with pytest.raises(HostError, match="takes a i16 and is given a int32"):
        runtime.launch("add", np.int32(3), np.float32(2.5))
    with pytest.raises(HostError, match="is given 70000"):
        runtime.launch("add", 70000, 1.0)


def test_a_function_that_never_unblocks_the_commands_is_told(runtime: SdkRuntime) -> None:
    runtime.launch("forget", nonblock=True)
    with pytest.raises(RunError, match="not called unblock_cmd_stream"):
        runtime.launch("add", 1, 1.0)


def test_memory_is_copied_in_words_of_16_and_32_bits(runtime: SdkRuntime) -> None:
    halves = runtime.get_symbol("halves")
    half = MemcpyDataType.MEMCPY_16BIT
    out = np.zeros(6, np.uint32)
    runtime.memcpy_d2h(out, halves, 0, 0, 2, 1, 3, data_type=half)
    np.testing.assert_array_equal(out, [7, 8, 9, 7, 8, 9])
    pair = np.zeros(1, np.uint32)
    runtime.memcpy_d2h(pair, halves, 1, 0, 1, 1, 1)
    assert pair[0] == 8 << 16 | 7
    sums = runtime.get_id("sums")
    runtime.memcpy_h2d(sums, np.array([0x12345678], np.uint32), 0, 0, 1, 1, 1, data_type=half)
    runtime.memcpy_d2h(pair, sums, 0, 0, 1, 1, 1)
    assert pair[0] == 0x5678


def test_rows_columns_and_strides_are_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runtime = SdkRuntime(compile_streaming(tmp_path, 3, 2))
    runtime.load()
    runtime.run()
    sums = runtime.get_id("sums")

    def content() -> list[list[int]]:
        out = np.zeros(6, np.uint32)
        runtime.memcpy_d2h(out, sums, 0, 0, 3, 2, 1)
        return out.reshape(2, 3).tolist()

    runtime.memcpy_h2d_rowbcast(sums, np.array([1, 2], np.uint32), 0, 0, 3, 2, 1)
    assert content() == [[1, 1, 1], [2, 2, 2]]
    runtime.memcpy_h2d_colbcast(sums, np.array([1, 2, 3], np.uint32), 0, 0, 3, 2, 1)
    assert content() == [[1, 2, 3], [1, 2, 3]]
    runtime.memcpy_h2d_stride(sums, np.array([8, 9], np.uint32), 0, 0, 3, 2, 1, 2, 2)
    assert content() == [[8, 2, 9], [1, 2, 3]]
    with pytest.raises(HostError, match="both must be positive"):
        runtime.memcpy_h2d_stride(sums, np.array([8], np.uint32), 0, 0, 1, 1, 1, 0, 1)


def test_variables_are_seen_after_the_run_by_fabric_coordinates(runtime: SdkRuntime) -> None:
    runtime.launch("add", 5, 0.0)
    runtime.stop()
    debug = debug_util("out")
    np.testing.assert_array_equal(debug.get_symbol(5, 1, "sums", np.uint32), [0, 5])
    assert debug.get_symbol_rect(((4, 1), (2, 1)), "halves", np.uint16).shape == (2, 1, 3)
    np.testing.assert_array_equal(runtime.read_symbol(1, 0, "sums", "uint32"), [0, 5])
    with pytest.raises(RunError, match="no variable absent"):
        debug.get_symbol(4, 1, "absent", np.uint32)
    with pytest.raises(HostError, match="has run in this process"):
        debug_util("elsewhere")
