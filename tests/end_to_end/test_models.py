"""A torch model equals the virtual wafer within the element type's tolerance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import waferc
from waferc.tolerance import Verification

Case = tuple[nn.Module, tuple[Any, ...]]


class Attend(nn.Module):
    """Two-headed causal attention and a norm: the hard parts of a transformer."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        query, key, value = (
            part.view(batch, tokens, 2, width // 2).transpose(1, 2)
            for part in self.qkv(self.norm(x)).chunk(3, dim=-1)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return x + self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))


class Nested(nn.Module):
    """Several outputs in a dict, an input by keyword, integers and booleans."""

    def forward(self, x: Tensor, *, scale: Tensor) -> dict[str, Any]:
        y = x * scale
        return {"y": y, "parts": (y.sum(dim=1), [x > 0]), "count": torch.arange(3)}


class Words(nn.Module):
    """Embedding and a tied head."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 6)

    def forward(self, ids: Tensor) -> Tensor:
        return functional.linear(torch.tanh(self.table(ids)), self.table.weight)


class Images(nn.Module):
    """Convolution with padding, pooling, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 5, 3, padding=1)
        self.head = nn.Linear(5 * 9, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(torch.relu(self.convolution(x)), 2)
        return torch.log_softmax(self.head(x.flatten(1)), dim=-1)


def perceptron() -> Case:
    layers = [nn.Linear(10, 7), nn.GELU(), nn.Linear(7, 5), nn.SiLU(), nn.Linear(5, 3)]
    return nn.Sequential(*layers), (torch.randn(6, 10),)


CASES: dict[str, Callable[[], Case]] = {
    "perceptron": perceptron,
    "attention": lambda: (Attend(), (torch.randn(1, 9, 12),)),
    "words": lambda: (Words(), (torch.randint(0, 11, (2, 5)),)),
    "images": lambda: (Images(), (torch.randn(2, 3, 6, 6),)),
}


def make(name: str) -> Case:
    torch.manual_seed(3)
    model, inputs = CASES[name]()
    return model.eval(), inputs


def verified(compiled: waferc.Compiled) -> Verification:
    result = compiled.verify()
    assert result.passed, str(result)
    return result


@pytest.mark.parametrize("region", [(1, 1), (3, 2)])
@pytest.mark.parametrize("name", sorted(CASES))
def test_one_region_equals_pytorch(name: str, region: tuple[int, int]) -> None:
    model, inputs = make(name)
    result = verified(waferc.compile(model, inputs, region=region))
    assert result.tolerance < 1e-3


@pytest.mark.parametrize("name", sorted(CASES))
def test_two_regions_joined_by_streams_equal_pytorch(name: str) -> None:
    model, inputs = make(name)
    compiled = waferc.compile(model, inputs, region=(2, 2), stages=2, target="wse2")
    verified(compiled)
    report = compiled.report()
    assert len([m for m in report.memory if m.region.startswith("r")]) == 2
    assert report.wavelet_hops > 0


@pytest.mark.parametrize("name", sorted(CASES))
def test_half_precision_equals_pytorch_within_its_tolerance(name: str) -> None:
    model, inputs = make(name)
    compiled = waferc.compile(model, inputs, region=(2, 2), dtype="f16")
    result = verified(compiled)
    assert result.relative_l2 > 1e-6, "this was computed in single precision"
    assert all(array.dtype == np.float16 for array in compiled.bundle.weights.values())


@pytest.mark.parametrize("name", ["perceptron", "words"])
def test_the_reference_engine_gives_the_same_bits_and_cycles(name: str) -> None:
    model, inputs = make(name)
    compiled = waferc.compile(model, inputs, region=(2, 2))
    reference = waferc.Compiled(
        compiled.bundle, compiled.signatures, compiled.host_scripts, engine="reference"
    )
    arrays = [tensor.numpy() for tensor in inputs]
    np.testing.assert_array_equal(compiled(*arrays), reference(*arrays))
    assert compiled.report().cycles == reference.report().cycles


def test_outputs_come_back_as_the_model_gives_them() -> None:
    x, scale = torch.randn(4, 3), torch.tensor(2.0)
    compiled = waferc.compile(Nested(), (x,), {"scale": scale}, region=(2, 1))
    got, want = compiled(x, scale=scale), Nested()(x, scale=scale)
    assert list(got) == list(want)
    assert isinstance(got["parts"], tuple)
    assert isinstance(got["parts"][1], list)
    torch.testing.assert_close(got, want)
    arrays = compiled(x.numpy(), scale=scale.numpy())
    assert isinstance(arrays["y"], np.ndarray)
    assert arrays["count"].dtype == np.int64
    assert arrays["parts"][1][0].dtype == np.bool_


def test_calls_do_not_disturb_each_other() -> None:
    model, inputs = make("attention")
    compiled = waferc.compile(model, inputs, region=(3, 2))
    first = compiled(*inputs)
    assert not torch.equal(compiled(2 * inputs[0]), first)
    assert torch.equal(compiled(*inputs), first)


def test_graph_modules_and_exported_programs_compile_too() -> None:
    model, inputs = make("perceptron")
    traced = torch.fx.symbolic_trace(model)
    exported = torch.export.export(model, inputs)
    plain = waferc.compile(model, inputs, region=(2, 2))(*inputs)
    assert torch.equal(waferc.compile(traced, inputs, region=(2, 2))(*inputs), plain)
    assert torch.equal(waferc.compile(exported, region=(2, 2))(*inputs), plain)


def test_wrong_outputs_never_verify() -> None:
    model, inputs = make("attention")
    for dtype in ("f32", "f16"):
        compiled = waferc.compile(model, inputs, region=(2, 2), dtype=dtype)
        given = {"x": inputs[0].numpy()}
        (label,) = compiled.signature.returns.labels()
        good = compiled.run(given)[label]
        shuffled = np.random.default_rng(0).permutation(good.ravel()).reshape(good.shape)
        assert compiled.verify_outputs(given, {label: good}).passed
        for wrong in (0 * good, 2 * good, shuffled):
            # the wafer's output stands for a right one, the reference is the wrong one
            assert not compiled.verify_outputs(given, {label: wrong}).passed


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((torch.randn(6, 9),), "is 6x9 float32; the program takes 6x10 float32"),
        ((torch.randn(6, 10).double(),), "is 6x10 float64"),
        ((), "arguments"),
        ((torch.randn(6, 10), 1), "arguments"),
    ],
)
def test_wrong_arguments_are_named(inputs: tuple[Any, ...], message: str) -> None:
    model, example = make("perceptron")
    compiled = waferc.compile(model, example, region=(1, 1))
    with pytest.raises(waferc.WaferError) as caught:
        compiled(*inputs)
    assert message in str(caught.value)


def test_integers_beyond_32_bits_are_refused() -> None:
    class Scaled(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 0.5

    compiled = waferc.compile(Scaled(), (torch.arange(10).reshape(2, 5),), region=(1, 1))
    with pytest.raises(waferc.WaferError, match="i32 holds"):
        compiled(torch.full((2, 5), 2**40))


def test_ids_that_a_table_does_not_have_are_refused() -> None:
    model, inputs = make("words")
    compiled = waferc.compile(model, inputs, region=(1, 1))
    with pytest.raises(waferc.WaferError, match="the model does not know"):
        compiled(torch.full((2, 5), 2**40))


def test_a_model_that_does_not_fit_is_refused_with_a_table() -> None:
    with pytest.raises(waferc.WaferError) as caught:
        waferc.compile(nn.Linear(300, 300), (torch.randn(1, 300),), region=(1, 1))
    assert "bytes of SRAM and has 49,152" in str(caught.value)
    assert "weights" in str(caught.value)
