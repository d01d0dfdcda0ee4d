from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.runtime.host.programs import product_bundle

from waferc_runtime.host.bundle import write_bundle
from waferc_runtime.host.sdk import HostError, MemcpyDataType, MemcpyOrder, SdkRuntime


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bundle(product_bundle(), tmp_path / "out", {})
    return tmp_path / "out"


@pytest.fixture
def runtime(folder: Path) -> SdkRuntime:
    runtime = SdkRuntime(str(folder), cmaddr=None)
    runtime.load()
    runtime.run()
    return runtime


def test_copy_in_launch_copy_out(runtime: SdkRuntime) -> None:
    x, w, y = map(runtime.get_id, "xwy")
    runtime.memcpy_h2d(x, np.arange(4, dtype=np.float32), 0, 0, 2, 1, 2, streaming=False)
    runtime.memcpy_h2d(w, np.full(4, 2, np.float32), 0, 0, 2, 1, 2)
    runtime.launch("main", nonblock=False)
    out = np.zeros(4, np.float32)
    runtime.memcpy_d2h(out, y, 0, 0, 2, 1, 2)
    np.testing.assert_array_equal(out, [0, 2, 4, 6])
    words = np.zeros(2, np.uint32)
    runtime.memcpy_d2h(words, y, 1, 0, 1, 1, 2)
    np.testing.assert_array_equal(words.view(np.float32), [4, 6])
    runtime.stop()


def test_column_major_order_runs_down_the_columns_first(runtime: SdkRuntime) -> None:
    x = runtime.get_id("x")
    runtime.memcpy_h2d(
        x, np.array([1, 2, 3, 4], np.float32), 0, 0, 2, 1, 2, order=MemcpyOrder.COL_MAJOR
    )
    row = np.zeros(4, np.float32)
    column = np.zeros(4, np.float32)
    runtime.memcpy_d2h(row, x, 0, 0, 2, 1, 2)
    runtime.memcpy_d2h(column, x, 0, 0, 2, 1, 2, order=MemcpyOrder.COL_MAJOR)
    np.testing.assert_array_equal(row, [1, 3, 2, 4])
    np.testing.assert_array_equal(column, [1, 2, 3, 4])


def test_half_precision_travels_in_the_low_halves_of_words(tmp_path: Path) -> None:
    write_bundle(product_bundle("f16"), tmp_path / "out", {})
    with SdkRuntime(tmp_path / "out", simulator=True) as runtime:
        x = runtime.get_id("x")
        values = np.array([1.5, -2, 0.25, 3], np.float16)
        words = values.view(np.uint16).astype(np.uint32) | 0xABCD0000
        half = MemcpyDataType.MEMCPY_16BIT
        runtime.memcpy_h2d(x, words, 0, 0, 2, 1, 2, data_type=half)
        out = np.full(4, 0xFFFFFFFF, np.uint32)
        runtime.memcpy_d2h(out, x, 0, 0, 2, 1, 2, data_type=half)
        np.testing.assert_array_equal(out, values.view(np.uint16).astype(np.uint32))


def test_what_a_script_does_wrong_is_named(folder: Path, runtime: SdkRuntime) -> None:
    four = np.zeros(4, np.float32)
    with pytest.raises(HostError, match="exports no symbol 'z'"):
        runtime.get_id("z")
    with pytest.raises(HostError, match="no symbol has the handle 99"):
        runtime.memcpy_h2d(99, four, 0, 0, 2, 1, 2)
    with pytest.raises(HostError, match=r"4 elements of float32, and the PEs have 8"):
        runtime.memcpy_h2d(runtime.get_id("x"), four, 0, 0, 2, 1, 4)
    with pytest.raises(HostError, match="0 is no streaming color of this direction"):
        runtime.memcpy_d2h(four, 0, 0, 0, 2, 1, 2, streaming=True)
    with pytest.raises(HostError, match=r"from \(1, 0\) on are not all in the program"):
        runtime.memcpy_h2d(runtime.get_id("x"), four, 1, 0, 2, 1, 2)
    with pytest.raises(HostError, match="are whole numbers"):
        runtime.memcpy_h2d(runtime.get_id("x"), four, 0, 0, 2.0, 1, 2)  # pyright: ignore[reportArgumentType]
    with pytest.raises(HostError, match="order=7 is not one of MemcpyOrder"):
        runtime.memcpy_h2d(runtime.get_id("x"), four, 0, 0, 2, 1, 2, order=7)  # pyright: ignore[reportArgumentType]
    with pytest.raises(HostError, match="main takes 0 arguments and is given 1"):
        runtime.launch("main", np.int16(1))
    with pytest.raises(HostError, match=r"x is .*, not a function"):
        runtime.launch("x")
    with pytest.raises(HostError, match="not a pointer"):
        runtime.memcpy_d2h(four, runtime.get_id("main"), 0, 0, 2, 1, 2)
    with pytest.raises(HostError, match="exports no symbol 'start'"):
        runtime.launch("start")
    runtime.stop()
    with pytest.raises(HostError, match="call load"):
        runtime.launch("main")
    with pytest.raises(HostError, match=r"run\(\) before load"):
        SdkRuntime(folder).run()
    with pytest.raises(HostError, match="there is no wafer at"):
        SdkRuntime(folder, cmaddr="10.0.0.1:9000")
