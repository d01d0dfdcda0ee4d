"""Lowerings of torch operators, by family. Importing this package fills `declare.LOWERINGS`."""

from waferc.frontend.lowerings import (
    activation,
    convolution,
    create,
    elementwise,
    gather,
    matmul,
    move,
    normalize,
    reduce,
    scatter,
)

__all__ = [
    "activation",
    "convolution",
    "create",
    "elementwise",
    "gather",
    "matmul",
    "move",
    "normalize",
    "reduce",
    "scatter",
]
