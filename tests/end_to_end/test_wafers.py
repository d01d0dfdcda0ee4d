"""A model on several wafers computes what it does on one; the way between them takes its time."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.end_to_end.test_generate import by_torch
from tests.end_to_end.test_layers import Layers
from torch import Tensor, nn

import waferc
from waferc.check_tokens import check_tokens
from waferc.generate import decoder
from waferc_ir.diagnostics import WaferError
from waferc_runtime.host.json_fields import BundleError
from waferc_runtime.host.wafers import Wafers, WafersCall, link_cycles

ROOT = Path(__file__).resolve().parents[2]
ROOMS = [str(ROOT / room) for room in ("compiler", "ir", "runtime")]
SMALL = waferc.machine("wse2").grid(3, 2)


class Net(nn.Module):
    """A value, a mask and a state that later stages need."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(7, 11), nn.Linear(11, 11), nn.Linear(11, 5)
        self.register_buffer("seen", torch.zeros(2, 11))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = torch.exp(self.first(x))
        before = self.seen.clone()
        self.seen.copy_(before + hidden)
        mask = hidden > 1
        middle = torch.where(mask, self.second(hidden), hidden)
        return self.third(middle).softmax(0), middle.amax(-1) + before.sum(-1)


def on_wafers(model: nn.Module, *args: Tensor, wafers: int = 3, stages: int = 3) -> waferc.Compiled:
    return waferc.compile(
        model.eval(), args, target=SMALL, region=(3, 2), stages=stages, wafers=wafers
    )


def test_values_masks_and_old_states_go_from_wafer_to_wafer(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = Net()
    with torch.no_grad():
        model.first.bias.abs_()
    x = torch.randn(2, 7)
    compiled = on_wafers(model, x)
    assert len(compiled.bundle.wafers) == 3
    assert {(link.source, link.target) for link in compiled.bundle.links} == {(0, 1), (1, 2)}
    assert compiled.verify().passed
    compiled.save(tmp_path / "out")
    loaded = waferc.load(tmp_path / "out")
    for _ in range(3):  # the state grows
        given = torch.randn(2, 7)
        with torch.no_grad():
            expected = model(given)
        for program in (compiled, loaded):
            found = program(given)
            for got, want in zip(found, expected, strict=True):
                torch.testing.assert_close(torch.as_tensor(got), want, rtol=1e-4, atol=1e-5)
            (state,) = program.wafers.states().values()
            np.testing.assert_allclose(state, model.seen.numpy(), rtol=1e-5)
    with pytest.raises(WaferError, match="is on 3 wafers, and this is about one"):
        _ = compiled.session


def test_cycles_are_those_of_the_wafers_and_of_the_way_between_them() -> None:
    x = torch.randn(2, 7)
    compiled = on_wafers(Net(), x)
    report = compiled.profile()
    call = compiled.wafers.last_call
    assert isinstance(call, WafersCall)
    assert len(report.wafers) == 3
    crossed = [link_cycles(SMALL, crossing.size_bytes)[1] for crossing in call.crossings]
    assert report.cycles == sum(one.cycles for one in report.wafers) + sum(crossed)
    assert report.macs == sum(one.macs for one in report.wafers)
    assert report.watched is not None
    regions = {cost.kernel.region for cost in report.watched.kernels}
    assert regions == {"r0", "r1", "r2"}
    assert "wafers       3: wafer 0" in str(report)
    phantom = waferc.Compiled(
        compiled.bundle, compiled.signatures, compiled.host_scripts, engine="phantom"
    )
    assert phantom.profile().cycles == report.cycles


def test_the_way_between_wafers_costs_latency_and_bytes() -> None:
    machine = waferc.machine("wse3")
    best, expected, worst = link_cycles(machine, 0)
    assert (best, expected, worst) == (1_500, 8_250, 128_250)
    much = link_cycles(machine, 125_000_000)  # a millisecond at the rate that is reckoned with
    assert much[1] == 8_250 + 750_000
    assert much[0] < much[1] < much[2]


def test_a_language_model_generates_on_two_wafers_what_torch_does() -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch.manual_seed(3)
    config = transformers.LlamaConfig(
        vocab_size=31, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=12,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config).eval()
    compiled = decoder(model, 2, 6, prefill=3, target=SMALL, region=(3, 2), stages=2, wafers=2)
    assert isinstance(compiled.wafers, Wafers)
    first, second = (session.states() for session in compiled.wafers.sessions)
    assert len(first) >= 2 <= len(second)  # keys and values of a layer on each
    assert not first.keys() & second.keys()
    prompt = np.asarray([[3, 1, 4, 1], [5, 9, 2, 6]])

    def whole(ids: Tensor) -> Tensor:
        return model(ids).logits

    found = waferc.generate(compiled, prompt, 3, context=6)
    assert found.tolist() == by_torch(whole, prompt, 3)
    assert check_tokens(compiled, model, found[:, :-1]).passed


def test_regions_take_as_few_wafers_as_they_fit_on_and_a_refusal_says_how_many() -> None:
    torch.manual_seed(0)
    model, ids = Layers(3).eval(), torch.tensor([[3, 7]])

    def compiled(width: int, wafers: int) -> waferc.Compiled:
        small = replace(waferc.machine("wse2").grid(width, 4), sram_bytes=12_000)
        machine = replace(small, reserved_bytes=2_048)
        return waferc.compile(model, ids, target=machine, stages="auto", wafers=wafers)

    assert len(compiled(12, 4).bundle.wafers) == 0
    spread = compiled(5, 4)
    assert len(spread.bundle.wafers) > 1
    assert spread.verify().passed
    with pytest.raises(WaferError) as caught:
        compiled(5, 1)
    assert f"{len(spread.bundle.wafers)} such wafers may do" in caught.value.render()
    assert f"wafers={len(spread.bundle.wafers)}; dtype f16 or mixed" in caught.value.render()
    with pytest.raises(WaferError, match="3 regions need 3 wafers wse2, and 2 are given"):
        on_wafers(Net(), torch.randn(2, 7), wafers=2)
    with pytest.raises(WaferError, match="wafers is 0"):
        on_wafers(Net(), torch.randn(2, 7), wafers=0)


def test_the_host_script_of_the_whole_runs_those_of_the_wafers(tmp_path: Path) -> None:
    torch.manual_seed(2)
    x = torch.randn(2, 7)
    compiled = on_wafers(Net(), x, wafers=2, stages=2)
    folder = tmp_path / "out"
    compiled.save(folder)
    package = tmp_path / "vendor" / "cerebras" / "sdk" / "runtime"
    package.mkdir(parents=True)
    (package / "sdkruntimepybind.py").write_text("from waferc_runtime.host.sdk import *\n")
    for wafer in ("wafer0", "wafer1"):  # `--name out`: what would be compiled is the bundle itself
        (folder / wafer / "out").symlink_to(folder / wafer)
    np.savez(tmp_path / "x.npz", x=x.numpy())
    done = subprocess.run(
        [sys.executable, str(folder / "run.py"), "--python", sys.executable,
         "--inputs", "x.npz", "--outputs", "y.npz"],
        env={"PYTHONPATH": ":".join([*ROOMS, str(tmp_path / "vendor")]), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = compiled.run({"x": x.numpy()})
    with np.load(tmp_path / "y.npz") as outputs:
        assert set(outputs) == set(expected)
        for label, array in expected.items():
            np.testing.assert_array_equal(outputs[label].astype(array.dtype), array)


def _rename(document: Any) -> None:
    document["links"][0]["label"] = "other"


def _turn(document: Any) -> None:
    document["links"][0] |= {"from": 1, "to": 0}


def _leave(document: Any) -> None:
    document["wafers"] = ["../wafer0", "wafer1"]


def _lose(document: Any) -> None:
    document["wafers"] = ["wafer0", "wafer9"]


def _twice(document: Any) -> None:
    document["wafers"] = ["wafer0", "wafer0"]


def _clock(document: Any) -> None:
    document["machine"]["wafer_link_latency_ns"] = [1, 2]


def _other(document: Any) -> None:
    document["machine"]["hop_cycles"] = 9


def _entry(document: Any) -> None:
    document["entries"][0]["label"] = "other"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_rename, "links[0] is no output 'other' of entry 'main' there"),
        (_turn, "links[0].from is outside 0 to 0"),
        (_leave, "wafers[0] is '../wafer0', which is no name of a folder"),
        (_lose, "there is no folder wafer9"),
        (_twice, "wafers[1] is 'wafer0', which is no name of a folder, or that of another"),
        (_clock, "machine.wafer_link_latency_ns is not three positive numbers"),
        (_other, "wafers names bundles for other machines"),
        (_entry, "entries[0] is 'other', which not every wafer has"),
    ],
)
def test_a_damaged_manifest_of_several_wafers_is_an_error(
    damage: Any, message: str, joined: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    for file in joined.rglob("*"):
        if file.is_file():
            copy = folder / file.relative_to(joined)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    document = json.loads((folder / "manifest.json").read_text())
    damage(document)
    (folder / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(BundleError) as caught:
        waferc.load(folder)
    assert message in str(caught.value)


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("joined") / "out"
    on_wafers(Net(), torch.randn(2, 7), wafers=2, stages=2).save(folder)
    return folder
