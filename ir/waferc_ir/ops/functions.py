"""Names of the scalar functions that elementwise and reduce operations apply."""

from __future__ import annotations

UNARY = (
    "neg", "abs", "exp", "log", "sqrt", "rsqrt", "reciprocal", "tanh", "sigmoid", "relu",
    "gelu", "gelu_tanh", "silu", "erf", "sin", "cos", "floor", "ceil", "sign", "softplus",
    "logical_not",
)
ARITHMETIC = ("add", "sub", "mul", "div", "max", "min", "pow")
COMPARE = ("eq", "ne", "lt", "le", "gt", "ge")
LOGICAL = ("and", "or")
BINARY = (*ARITHMETIC, *COMPARE, *LOGICAL)
REDUCE = ("sum", "max", "min", "mean")
