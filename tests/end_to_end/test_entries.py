"""Several entries over one module's weights and buffers equal PyTorch, in any order of calls."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.end_to_end.test_state import Cached
from torch import Tensor, nn

import waferc

BATCH, CONTEXT, CHUNK = 2, 9, 4


def example(tokens: int) -> tuple[Tensor, Tensor]:
    return torch.zeros(BATCH, tokens, dtype=torch.long), torch.arange(tokens)


@pytest.fixture(scope="module")
def pair() -> tuple[Cached, waferc.Compiled]:
    torch.manual_seed(4)
    model = Cached(BATCH, CONTEXT).eval()
    entries = {"prefill": example(CHUNK), "decode": example(1)}
    return model, waferc.compile(model, entries=entries, region=(3, 2))


def test_prefill_and_decode_go_on_with_one_cache(
    pair: tuple[Cached, waferc.Compiled], tmp_path: Path
) -> None:
    reference, compiled = copy.deepcopy(pair[0]), pair[1]
    assert compiled.entries == ("prefill", "decode")
    compiled.save(tmp_path / "bundle")
    loaded = waferc.load(tmp_path / "bundle")
    ids = torch.randint(0, 17, (BATCH, CONTEXT))
    compiled.session.reset()
    for start, tokens in ((0, 4), (4, 1), (5, 1), (2, 4), (6, 1)):
        entry = "prefill" if tokens == CHUNK else "decode"
        args = ids[:, start : start + tokens], torch.arange(start, start + tokens)
        with torch.no_grad():
            expected = reference(*args)
        for one in (compiled, loaded):
            assert float((one[entry](*args) - expected).abs().max()) < 1e-5
    states = compiled.session.states()
    np.testing.assert_allclose(states["keys"], reference.keys.numpy(), atol=1e-5)


def test_weights_are_one_tensor_for_all_entries_and_second_layouts_are_told(
    pair: tuple[Cached, waferc.Compiled],
) -> None:
    compiled = pair[1]
    state = compiled.bundle.manifest.state
    assert sorted(p.label for p in state if p.is_mutable) == ["keys", "values"]
    held = [(p.label, str(p.splits)) for p in state]
    assert len(set(held)) == len(held)
    matrices = {label for label, _ in held if "weight" in label}
    assert len(matrices) == 6  # two tables, one product, three parts that fold out of another
    report = compiled["decode"].profile()
    assert report.relaid == sum(
        1 for label in {label for label, _ in held} if [k for k, _ in held].count(label) > 1
    )
    assert ("several layouts" in str(report)) == (report.relaid > 0)


def test_every_entry_is_verified_by_itself(pair: tuple[Cached, waferc.Compiled]) -> None:
    for entry in pair[1].entries:
        assert pair[1][entry].verify().passed
    report = pair[1]["decode"].profile()
    assert report.entry == "decode"
    assert "f32, entry decode" in str(report)


def test_an_entry_is_to_be_named(pair: tuple[Cached, waferc.Compiled]) -> None:
    with pytest.raises(waferc.WaferError, match="has 2 entries, and none is named"):
        pair[1](*example(1))
    with pytest.raises(waferc.WaferError, match="has no entry 'train'"):
        pair[1]["train"]


class Counter(nn.Module):
    """A sum that one method adds to and another reads, scaled."""

    total: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([2.0, 3.0, 5.0]))
        self.register_buffer("total", torch.zeros(3))

    def forward(self, total: Tensor) -> Tensor:
        self.total += total * self.scale
        return self.total

    def read(self) -> Tensor:
        return self.total * self.scale


def test_methods_are_entries_and_what_one_changes_another_reads() -> None:
    entries = {"add": (torch.ones(3),), "read": waferc.ExampleCall(method="read")}
    compiled = waferc.compile(Counter(), entries=entries, region=(2, 1))
    compiled["add"](torch.tensor([1.0, 1.0, 1.0]))
    assert compiled["read"]().tolist() == [4.0, 9.0, 25.0]
    compiled["add"](torch.tensor([1.0, 0.0, -1.0]))
    assert compiled["read"]().tolist() == [8.0, 9.0, 0.0]
    assert compiled["read"].verify().passed


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "there are no entries"),
        ({"a b": (torch.ones(3),)}, "'a b' is no name for an entry"),
        ({"a": waferc.ExampleCall(method="gone")}, "Counter has no method 'gone'"),
    ],
)
def test_what_is_no_entry_is_refused(entries: dict[str, object], message: str) -> None:
    with pytest.raises(waferc.WaferError, match=message):
        waferc.compile(Counter(), entries=entries)
    with pytest.raises(waferc.WaferError, match="example inputs are given, and entries too"):
        waferc.compile(Counter(), torch.ones(3), entries={"a": torch.ones(3)})
