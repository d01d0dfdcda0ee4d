"""Random torch models: layers, moves, branches and reductions on a [rows, width] tensor.

No step makes a tensor without elements: the compiler refuses those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

Step = Callable[[Tensor], Tensor]

ACTIVATIONS: dict[str, Step] = {
    "relu": torch.relu,
    "gelu": functional.gelu,
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "silu": functional.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "abs": torch.abs,
    "negative": torch.neg,
    "exp": lambda x: torch.exp(-x.abs()),
    "softmax": lambda x: torch.softmax(x, dim=-1),
    "log_softmax": lambda x: torch.log_softmax(x, dim=0),
    "root": lambda x: torch.sqrt(x * x + 1),
    "clamp": lambda x: torch.clamp(x, -0.5, 1.5),
    "where": lambda x: torch.where(x > 0, x, 0.1 * x),
}
MOVES: dict[str, Step] = {
    "transpose": lambda x: x.transpose(0, 1),
    "roll": lambda x: x if x.shape[1] == 1 else torch.cat([x[:, 1:], x[:, :1]], dim=1),
    "reverse halves": lambda x: (
        x if len(x) == 1 else torch.cat([x[len(x) // 2 :], x[: len(x) // 2]])
    ),
    "pad": lambda x: functional.pad(x, (1, 2, 0, 1), value=0.5),
    "flatten": lambda x: x.reshape(1, -1),
    "double": lambda x: x.unsqueeze(1).expand(-1, 2, -1).reshape(2 * x.shape[0], -1),
    "every second": lambda x: x[:, ::2],
}
REDUCTIONS: dict[str, Step] = {
    "centre": lambda x: x - x.mean(dim=-1, keepdim=True),
    "scale": lambda x: x / (1 + x.abs().amax(dim=0, keepdim=True)),
    "sum": lambda x: x + x.sum(dim=0, keepdim=True),
    "smallest": lambda x: x - x.amin(dim=1, keepdim=True),
    "gram": lambda x: x @ x.transpose(0, 1) / x.shape[1],
}
LARGEST_ELEMENTS = 400


@dataclass(frozen=True)
class Drawn:
    """A model, its input, and the steps it is made of."""

    model: nn.Module
    x: Tensor
    steps: tuple[str, ...]


class Chain(nn.Module):
    """Steps in order; a step may be a layer, and may be added to what came before it."""

    def __init__(self, steps: list[tuple[Step, bool]]) -> None:
        super().__init__()
        self.layers = nn.ModuleList([step for step, _ in steps if isinstance(step, nn.Module)])
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        for step, residual in self.steps:
            y = step(x)
            x = x + y if residual else y
        return x


@st.composite
def models(draw: st.DrawFn) -> Drawn:
    """Chains of up to six steps; shapes follow the steps, and stay small."""
    torch.manual_seed(draw(st.integers(0, 1000)))
    x = torch.randn(draw(st.integers(1, 7)), draw(st.integers(2, 11)))
    shape = x
    steps: list[tuple[Step, bool]] = []
    names: list[str] = []
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["linear", "norm", "activation", "move", "reduction"]))
        name, step = kind, _layer(draw, kind, shape.shape[1])
        if step is None:
            table = {"activation": ACTIVATIONS, "move": MOVES, "reduction": REDUCTIONS}[kind]
            name = draw(st.sampled_from(sorted(table)))
            step = table[name]
        with torch.no_grad():
            result = step(shape)
        if result.numel() > LARGEST_ELEMENTS:
            continue
        residual = result.shape == shape.shape and draw(st.booleans())
        steps.append((step, residual))
        names.append(f"{name} + x" if residual else name)
        shape = result
    return Drawn(Chain(steps).eval(), x, tuple(names))


def _layer(draw: st.DrawFn, kind: str, width: int) -> nn.Module | None:
    match kind:
        case "linear":
            return nn.Linear(width, draw(st.integers(1, 9)), bias=draw(st.booleans()))
        case "norm":
            return nn.LayerNorm(width)
        case _:
            return None
