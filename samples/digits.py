"""Handwritten digits: a multilayer perceptron and a convolutional network, on the virtual wafer.

    python -m samples.digits          (or `make digits`)

Both are trained in seconds on scikit-learn's 8 x 8 pixel digits. The whole test split then runs on
the wafer, batch by batch, and must give PyTorch's predictions. Exits with 1 if one differs.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

import waferc

BATCH = 50


class Perceptron(nn.Module):
    """Images [n, 1, 8, 8] to scores [n, 10] by two hidden layers."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.first = nn.Linear(64, width)
        self.second = nn.Linear(width, width)
        self.head = nn.Linear(width, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = functional.relu(self.first(images.flatten(1)))
        return self.head(functional.relu(self.second(x)))


class Convolutional(nn.Module):
    """Images [n, 1, 8, 8] to scores [n, 10] by two convolutions with pooling."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.head = nn.Linear(2 * channels * 4, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = functional.max_pool2d(functional.relu(self.first(images)), 2)
        x = functional.max_pool2d(functional.relu(self.second(x)), 2)
        return self.head(x.flatten(1))


@dataclass(frozen=True)
class Digits:
    """Images [n, 1, 8, 8] from 0 to 1 and labels [n], for training and for the test."""

    images: Tensor
    labels: Tensor
    test_images: Tensor
    test_labels: NDArray[np.int64]


def load(seed: int = 0) -> Digits:
    """The data set in an order drawn from `seed`; the last quarter is for the test."""
    pixels, target = cast(
        "tuple[NDArray[np.float64], NDArray[np.int64]]", load_digits(return_X_y=True)
    )
    order = np.random.default_rng(seed).permutation(len(target))
    images = (pixels[order] / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    labels = target[order].astype(np.int64)
    split = len(target) * 3 // 4
    return Digits(
        torch.from_numpy(images[:split]),
        torch.from_numpy(labels[:split]),
        torch.from_numpy(images[split:]),
        labels[split:],
    )


def train(model: nn.Module, digits: Digits, *, epochs: int = 40, seed: int = 0) -> None:
    """Train a model in place and put it into evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        order = torch.randperm(len(digits.images), generator=generator)
        for start in range(0, len(order), 64):
            batch = order[start : start + 64]
            loss = functional.cross_entropy(model(digits.images[batch]), digits.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()


def classify(compiled: waferc.Compiled, images: Tensor) -> NDArray[np.int64]:
    """Predictions [n] of the wafer; the last batch is filled up with zeros."""
    predictions: list[NDArray[np.int64]] = []
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        filled = functional.pad(batch, (0, 0, 0, 0, 0, 0, 0, BATCH - len(batch)))
        scores = compiled(filled).numpy()
        predictions.append(scores[: len(batch)].argmax(axis=1))
    return np.concatenate(predictions)


def perceptron() -> tuple[nn.Module, tuple[Tensor]]:
    """An untrained model and example inputs, for `waferc compile samples/digits.py:perceptron`."""
    torch.manual_seed(0)
    return Perceptron().eval(), (torch.zeros(BATCH, 1, 8, 8),)


def convolutional() -> tuple[nn.Module, tuple[Tensor]]:
    """An untrained model and example inputs, as `perceptron`."""
    torch.manual_seed(0)
    return Convolutional().eval(), (torch.zeros(BATCH, 1, 8, 8),)


def main(epochs: int = 40) -> int:
    """Train, compile and compare both models; return the exit code."""
    torch.set_num_threads(1)  # batches are so small that threads cost more than they save
    digits = load()
    equal = True
    for factory, region in ((perceptron, (4, 4)), (convolutional, (4, 4))):
        model, example = factory()
        begin = time.perf_counter()
        train(model, digits, epochs=epochs)
        trained = time.perf_counter() - begin
        compiled = waferc.compile(model, example, region=region)
        begin = time.perf_counter()
        wafer = classify(compiled, digits.test_images)
        seconds = time.perf_counter() - begin
        with torch.no_grad():
            eager = model(digits.test_images).numpy().argmax(axis=1)
        verification = compiled.verify((digits.test_images[:BATCH],))
        same = int(np.sum(wafer == eager))
        equal = equal and same == len(eager) and verification.passed
        print(f"{type(model).__name__}, trained in {trained:.1f} s")
        print(f"  PyTorch: accuracy {np.mean(eager == digits.test_labels):.2%}")
        print(f"  wafer:   accuracy {np.mean(wafer == digits.test_labels):.2%}, {seconds:.1f} s")
        print(f"  {same} of {len(eager)} predictions are the same")
        print("  " + str(verification).replace("\n", "\n  "))
        print("  " + str(compiled.report()).replace("\n", "\n  "))
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
