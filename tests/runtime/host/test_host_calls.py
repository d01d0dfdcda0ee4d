from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.runtime.host.csl_programs import compile_streaming

from waferc_ir.diagnostics import WaferError
from waferc_runtime.host.sdk import MemcpyDataType, MemcpyOrder, SdkRuntime

odd: st.SearchStrategy[Any] = st.sampled_from(
    [None, "x", 1.5, -1, 2**40, b"", (), [1], np.float32(2)]
)
small = st.one_of(st.integers(0, 3), odd)
sizes = st.one_of(st.integers(1, 2), odd)
handles = st.one_of(st.integers(0, 6), odd)
arrays = st.one_of(
    st.builds(
        np.zeros,
        st.one_of(st.integers(0, 8), st.tuples(st.integers(0, 3), st.integers(0, 3))),
        st.sampled_from(["u4", "f4", "i4", "u2", "f2", "f8", "O", "u1", "U2"]),
    ),
    odd,
)
options = st.fixed_dictionaries(
    {},
    optional={
        "streaming": st.booleans(),
        "nonblock": st.booleans(),
        "data_type": st.one_of(st.sampled_from(list(MemcpyDataType)), odd),
        "order": st.one_of(st.sampled_from(list(MemcpyOrder)), odd),
    },
)
names = st.one_of(st.sampled_from(["sums", "halves", "add", "forget", "absent"]), odd)
numbers = st.one_of(
    st.integers(-5, 5), st.floats(), odd, st.sampled_from([np.int16(3), np.float32(1), np.int64(2)])
)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calls")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return compile_streaming(folder)


def copy(runtime: Any, way: int, handle: object, array: object, *rest: object, **kind: Any) -> None:
    """One of the five copies."""
    match way:
        case 0:
            runtime.memcpy_h2d(handle, array, *rest, **kind)
        case 1:
            runtime.memcpy_h2d_rowbcast(handle, array, *rest, **kind)
        case 2:
            runtime.memcpy_h2d_colbcast(handle, array, *rest, **kind)
        case 3:
            runtime.memcpy_h2d_stride(handle, array, *rest, 1, 2, **kind)
        case _:
            runtime.memcpy_d2h(array, handle, *rest, **kind)


@settings(max_examples=40, phases=[Phase.explicit, Phase.generate])  # a failure is short enough
@given(st.data())
def test_no_host_call_ends_in_anything_but_a_told_error(
    compiled: Path, data: st.DataObject
) -> None:
    runtime = SdkRuntime(compiled)
    if data.draw(st.integers(0, 9)):
        runtime.load()
        runtime.run()
    for _ in range(data.draw(st.integers(1, 4))):
        with suppress(WaferError):
            _call(runtime, data)
    with suppress(WaferError):
        runtime.stop()


def _call(runtime: Any, data: st.DataObject) -> None:
    match data.draw(st.integers(0, 7)):
        case 0:
            runtime.get_id(data.draw(names))
        case 1:
            arguments: list[Any] = data.draw(st.lists(numbers, max_size=3))
            runtime.launch(data.draw(names), *arguments, nonblock=data.draw(st.booleans()))
        case 2:
            runtime.read_symbol(data.draw(small), data.draw(small), data.draw(names), "uint16")
        case 3:
            runtime.send(data.draw(names), data.draw(arrays))
        case 4:
            runtime.receive(data.draw(names), data.draw(arrays), data.draw(small))
        case _:
            place = [data.draw(small), data.draw(small), data.draw(sizes), data.draw(sizes)]
            rest = [*place, data.draw(st.one_of(st.integers(0, 3), odd))]
            way = data.draw(st.integers(0, 4))
            copy(runtime, way, data.draw(handles), data.draw(arrays), *rest, **data.draw(options))
