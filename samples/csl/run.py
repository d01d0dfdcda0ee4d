"""Host script for the vendor's API: sums vectors along a row of PEs and checks the sum."""

import argparse
import json
from pathlib import Path

import numpy as np
from cerebras.sdk.runtime.sdkruntimepybind import (
    MemcpyDataType,
    MemcpyOrder,
    SdkRuntime,
)

parser = argparse.ArgumentParser()
parser.add_argument("--name", required=True, help="folder that cslc wrote")
folder = parser.parse_args().name
params = json.loads(Path(folder, "out.json").read_text())["params"]
width, length = int(params["width"]), int(params["length"])

vectors = np.random.default_rng(1).random((width, length), np.float32)
total = np.zeros(length, np.float32)
copy = {
    "streaming": False,
    "order": MemcpyOrder.ROW_MAJOR,
    "data_type": MemcpyDataType.MEMCPY_32BIT,
    "nonblock": False,
}

runner = SdkRuntime(folder)
values = runner.get_id("values")
runner.load()
runner.run()
runner.memcpy_h2d(values, vectors.ravel(), 0, 0, width, 1, length, **copy)
runner.launch("add_up", nonblock=False)
runner.memcpy_d2h(total, values, width - 1, 0, 1, 1, length, **copy)
runner.stop()

np.testing.assert_allclose(total, vectors.sum(axis=0), rtol=1e-5)
print("SUCCESS!")
