"""Models that cannot be compiled, one problem each."""

from __future__ import annotations

import torch
from torch import nn


class Branch(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            return x
        return -x


class Masked(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[x > 0]


class Crash(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ torch.ones(7, 7)


class Trained(nn.Module):
    weight: nn.Parameter

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.weight.detach().add_(1)
        return x + self.weight


class Overwrite(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x.mul_(2)
        return x + 1


class Random(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(x)


class Inner(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cumsum(x, 0) + torch.cumsum(x, 1)


class Unsupported(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.inner(x)
        order = torch.sort(y)[0]
        wide = order.double()
        return torch.cumsum(wide.float(), -1)


class Integers(nn.Module):
    def forward(self, n: torch.Tensor) -> torch.Tensor:
        return n // 2


class Wide(nn.Module):
    large: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("large", torch.tensor([1, 2**40]))

    def forward(self, n: torch.Tensor) -> torch.Tensor:
        return n + self.large


class Same(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1


class Counting(nn.Module):
    count: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.tensor([-(2**31) - 1, 0]))

    def forward(self, n: torch.Tensor) -> torch.Tensor:
        self.count.add_(n)
        return n + self.count
