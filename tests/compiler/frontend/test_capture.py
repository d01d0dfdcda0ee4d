"""What capture takes, and how it labels inputs and outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.compiler.frontend.running_torch import arrays_for
from torch import nn

from waferc.evaluate.graph import evaluate
from waferc.frontend.capture import capture, is_library_file
from waferc.frontend.locations import find_location
from waferc.frontend.lower import lower
from waferc.structure import Structure, StructureError
from waferc_ir.dtypes import DType

X, Y = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 5.0]])


class Sum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.5, 2.0]))

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x * self.weight + y


class Nested(nn.Module):
    def forward(
        self, pair: list[torch.Tensor], *, extra: dict[str, torch.Tensor], times: int = 2
    ) -> dict[str, Any]:
        return {
            "sum": pair[0] + pair[1],
            "parts": (extra["z"] * times, [pair[0], 7, None]),
            "same": pair[1],
        }


def test_a_graph_module_is_captured() -> None:
    traced = torch.fx.symbolic_trace(Sum())
    lowered = lower(capture(traced, (X, Y)))
    found = evaluate(lowered.program, {"x": X.numpy(), "y": Y.numpy()}, lowered.weights)
    assert found["output"].tolist() == [[3.5, 9.0]]


def test_an_exported_program_is_captured() -> None:
    lowered = lower(capture(torch.export.export(Sum(), (X, Y)), name="sum"))
    assert lowered.program.name == "sum"
    assert [spec.label for spec in lowered.inputs] == ["x", "y"]


def test_arrays_and_a_single_tensor_are_taken() -> None:
    assert capture(Sum(), (X.numpy(), Y.numpy())).inputs == capture(Sum(), [X, Y]).inputs
    assert [spec.label for spec in capture(nn.ReLU(), X).inputs] == ["input"]


def test_arguments_and_results_keep_their_structure() -> None:
    args, kwargs = ([X, Y],), {"extra": {"z": X}, "times": 3}
    graph = capture(Nested(), args, kwargs)
    assert graph.arguments.labels() == ("pair_0", "pair_1", "extra_z")
    assert graph.returns.labels() == ("sum", "parts_0", "parts_1_0", "same")
    lowered = lower(graph)
    tensors = lowered.arguments.flatten((args, kwargs))
    inputs = {label: tensor.numpy() for label, tensor in tensors.items()}
    results = lowered.returns.build(evaluate(lowered.program, inputs, lowered.weights))
    assert results["sum"].tolist() == [[4, 7]]
    assert results["parts"][0].tolist() == [[3, 6]]
    assert results["parts"][1][0].tolist() == [[1, 2]]
    assert results["parts"][1][1:] == [7, None]


OTHERS: list[tuple[Any, str]] = [
    ((([X],), {}), "inputs[0][0] has 1 entries, not 2"),
    ((([X, Y],), {}), "inputs[1] has the keys none, not extra, times"),
    ((({"a": X},), {}), "inputs[0][0] is dict, not a list"),
    (
        (([X, Y],), {"extra": {"z": X}, "times": 4}),
        "inputs[1]['times'] is 4; the model was captured with 3",
    ),
    (
        (([X, Y],), {"extra": {"z": X}, "times": X}),
        "inputs[1]['times'] is Tensor; the model was captured with 3",
    ),
    ((([X, Y],), {"extra": X, "times": 3}), "inputs[1]['extra'] is Tensor, not a dict"),
]


@pytest.mark.parametrize(("values", "message"), OTHERS)
def test_other_structures_are_refused(values: Any, message: str) -> None:
    leaf = Structure("tensor", "t")
    pair = Structure("list", entries=(leaf, leaf))
    extra = Structure("dict", entries=(leaf,), keys=("z",))
    times = Structure("constant", value=3)
    kwargs = Structure("dict", entries=(extra, times), keys=("extra", "times"))
    structure = Structure("tuple", entries=(Structure("tuple", entries=(pair,)), kwargs))
    with pytest.raises(StructureError) as caught:
        structure.flatten(values)
    assert caught.value.message == message


class Labels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.ones(2))
        self.register_buffer("output", torch.tensor([1, 2]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.x + self.get_buffer("output")


def test_labels_are_unique() -> None:
    lowered = lower(capture(Labels(), X))
    assert [spec.label for spec in lowered.inputs] == ["x"]
    assert lowered.returns.labels() == ("output",)
    assert set(lowered.weights) == {"x_2", "output_2"}
    found = evaluate(lowered.program, arrays_for(lowered, (X,)), lowered.weights)
    assert found["output"].tolist() == [[3, 5]]


class Positions(nn.Module):
    """What depends on no input: a table, positions, and a mask of 4096 x 4096 elements."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        places = torch.arange(x.shape[1]).cumsum(0).to(torch.float32)
        zeros = torch.zeros(1, 2).expand(4096, 2)
        return x + places.cos() + torch.sort(zeros)[0][:1]


def test_what_depends_on_no_input_needs_no_lowering() -> None:
    lowered = lower(capture(Positions(), X))
    assert sum(data.size for data in lowered.weights.values()) == 2
    found = evaluate(lowered.program, {"x": X.numpy()}, lowered.weights)["output"]
    np.testing.assert_allclose(found, X + torch.tensor([0.0, 1.0]).cos(), rtol=1e-6)


def test_integers_of_64_bits_become_32() -> None:
    lowered = lower(capture(nn.Embedding(4, 2), torch.tensor([1, 3])))
    assert lowered.inputs[0].dtype is DType.I32
    assert lowered.inputs[0].torch_dtype == "int64"


def test_the_innermost_line_of_the_user_is_found(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text("def forward(self, x):\n    y = x\n    return  self.inner(y)\n")
    trace = (
        f'  File "{file}", line 3, in forward\n    return  self.inner(y)\n'
        '  File "/lib/torch/nn/linear.py", line 9, in forward\n    return F.linear(x)\n'
    )
    at = find_location(trace, lambda name: "/torch/" in name)
    assert at is not None
    assert (at.file, at.line, at.column, at.width) == (str(file), 3, 5, 21)
    assert at.text == "    return  self.inner(y)"


def test_a_trace_of_library_lines_alone_shows_the_innermost() -> None:
    trace = (
        '  File "/x/site-packages/torch/nn/container.py", line 1, in forward\n    a\n'
        '  File "/x/site-packages/torch/nn/linear.py", line 9, in forward\n    return F.linear(x)\n'
    )
    at = find_location(trace, lambda name: True)
    assert at is not None
    assert (at.file, at.line) == ("torch/nn/linear.py", 9)


def test_library_files_are_told_from_the_users() -> None:
    assert is_library_file(torch.nn.functional.__file__)
    assert is_library_file("<eval_with_key>.1")
    assert not is_library_file(__file__)
