from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.runtime.host.csl_programs import STREAMING, write_sources

from waferc_runtime.choices import Choices
from waferc_runtime.drop_in import environment
from waferc_runtime.host.errors import HostError
from waferc_runtime.host.settings import Settings, from_environment

COMMANDS = """
set -e
cslc ./src/layout.csl --arch=wse3 --fabric-dims=9,3 --fabric-offsets=4,1 \\
--params=width:2,height:1 --params=IN_ID:4,OUT_ID:5 -o out --memcpy --channels 1
cs_python run.py --name out
"""
HOST = """
import argparse, json
import numpy as np
import helper
import sdk_utils
from cerebras.appliance.pb.sdk.sdk_common_pb2 import MemcpyOrder
from cerebras.geometry.geometry import IntVector
from cerebras.sdk.client import SdkCompiler
from cerebras.sdk.client import SdkRuntime as ApplianceRuntime
from cerebras.sdk.debug.debug_util import debug_util
from cerebras.sdk.runtime.sdkruntimepybind import MemcpyDataType, SdkLayout, SdkRuntime
from cerebras.sdk.sdk_utils import memcpy_view

parser = argparse.ArgumentParser()
parser.add_argument("--name")
parser.add_argument("--cmaddr")
args = parser.parse_args()
with open(f"{args.name}/out.json") as file:
    output = int(json.load(file)["params"]["OUT_ID"])
runner = SdkRuntime(args.name, cmaddr=args.cmaddr, suppress_simfab_trace=True)
runner.load()
runner.run()
words = np.arange(4, dtype=np.uint32)
runner.memcpy_h2d(4, words, 0, 0, 2, 1, 2, streaming=True, order=MemcpyOrder.ROW_MAJOR,
                  data_type=MemcpyDataType.MEMCPY_32BIT, nonblock=True)
result = np.zeros(4, np.uint32)
runner.memcpy_d2h(result, output, 0, 0, 2, 1, 2, streaming=True, nonblock=False)
runner.stop()
np.testing.assert_array_equal(result, helper.FACTOR * words)
with SdkCompiler() as compiler:
    artifact = compiler.compile("src", "layout.csl", "--arch wse3 "
                                "--params=width:1,height:1,IN_ID:4,OUT_ID:5 -o latest --memcpy")
with ApplianceRuntime(artifact, simulator=True) as runner:
    runner.launch("add", np.int16(1), np.float32(1), nonblock=False)
"""


@pytest.fixture(autouse=True)
def only_our_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    scripts = {"commands.sh": COMMANDS, "run.py": HOST, "helper.py": "FACTOR = 3\n"}
    write_sources(tmp_path, {**STREAMING, **scripts})
    return tmp_path


def run(command: list[str], settings: Settings = Settings()) -> tuple[int, str]:  # noqa: B008
    """Exit code and standard error, with a folder of commands that lasts as long as the run."""
    script = (
        "import sys; from pathlib import Path; from waferc_runtime.drop_in import environment; "
        "from waferc_runtime.host.settings import from_environment; "
        f"sys.exit(environment.run_command({command!r}, from_environment()))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        env={**os.environ, **environment.search_paths(Path()), **settings.variables()},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_an_unmodified_script_finds_commands_and_modules(folder: Path) -> None:
    code, told = run(["bash", "commands.sh"], Settings("vector", statistics=folder / "cycles"))
    assert (code, told) == (0, "")
    assert len((folder / "cycles").read_text().splitlines()) == 2


def test_the_scripts_failure_is_the_commands(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text("import helper\nassert helper.FACTOR == 4\n")
    (tmp_path / "helper.py").write_text("FACTOR = 3\n")
    code, told = run(["cs_python", str(script)])
    assert code == 1
    assert "AssertionError" in told
    assert "runpy" not in told
    assert run(["bash", "-c", "exit 7"])[0] == 7


def test_an_error_of_the_wafer_is_told_with_the_line_of_the_script(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "from cerebras.sdk.runtime.sdkruntimepybind import SdkRuntime\n"
        f"runner = SdkRuntime({str(tmp_path)!r})\n"
    )
    code, told = run(["cs_python", str(script)])
    assert code == 1
    assert told.startswith(f"error[host]: {tmp_path} holds no compiled program")
    assert f"called from {script}:2:1: runner = SdkRuntime(" in told
    assert "Traceback" not in told


def test_the_working_folder_shadows_no_module_of_ours(folder: Path) -> None:
    (folder / "dataclasses.py").write_text("raise RuntimeError('shadowed')\n")
    code, told = run(["bash", "-c", "cslc --help > /dev/null"])
    assert (code, told) == (0, "")


def test_settings_travel_in_the_environment() -> None:
    settings = Settings("reference", Choices("random", 5), Path("/tmp/cycles"), 700)
    assert from_environment(settings.variables()) == settings
    assert from_environment({}) == Settings()
    wrong = {"ENGINE": "fast", "TASK_ORDER": "x", "SEED": "-1", "MAX_CYCLES": "many"}
    for name, value in wrong.items():
        with pytest.raises(HostError, match=name):
            from_environment({f"WAFERC_{name}": value})


def test_a_program_ends_at_the_limit_of_cycles(folder: Path) -> None:
    assert run(["bash", "commands.sh"], Settings(max_cycles=100_000))[0] == 0
    code, told = run(["bash", "commands.sh"], Settings(max_cycles=3))
    assert code == 1
    assert "the limit of 3" in told


def test_a_command_that_is_not_there_is_told() -> None:
    with pytest.raises(HostError, match="cannot run absent-command"):
        environment.run_command(["absent-command"], Settings())
