"""Small torch functions, by family: together they reach every lowering."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

T = torch.Tensor
Cases = Mapping[str, Callable[..., Any]]
Of1 = dict[str, Callable[[T], Any]]
Of2 = dict[str, Callable[[T, T], Any]]
Of3 = dict[str, Callable[[T, T, T], Any]]


class Functions(nn.Module):
    """Calls functions with the same arguments and returns their results by name."""

    def __init__(self, functions: Cases, buffers: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.functions = functions
        for name, tensor in buffers.items():
            self.register_buffer(name, tensor)

    def forward(self, *args: torch.Tensor) -> dict[str, Any]:
        tensors = [*args, *self.buffers()]
        return {name: function(*tensors) for name, function in self.functions.items()}


def numbers(*shape: int) -> torch.Tensor:
    """Numbers between -3 and 3, none of them a whole one or near 0."""
    generator = torch.Generator().manual_seed(sum(shape) + 7 * len(shape))
    return (
        torch.rand(*shape, generator=generator) * 2.8
        - 3
        + torch.randint(0, 2, shape, generator=generator) * 3.1
    )


UNARY: Of2 = {
    "neg": lambda x, y: -x,
    "abs": lambda x, y: x.abs(),
    "exp": lambda x, y: x.exp(),
    "log": lambda x, y: y.abs().log(),
    "sqrt": lambda x, y: y.abs().sqrt(),
    "rsqrt": lambda x, y: y.abs().rsqrt(),
    "reciprocal": lambda x, y: y.reciprocal(),
    "tanh": lambda x, y: x.tanh(),
    "sigmoid": lambda x, y: x.sigmoid(),
    "relu": lambda x, y: x.relu(),
    "erf": lambda x, y: torch.erf(x),
    "sin": lambda x, y: x.sin(),
    "cos": lambda x, y: x.cos(),
    "tan": lambda x, y: (x / 4).tan(),
    "sinh": lambda x, y: x.sinh(),
    "cosh": lambda x, y: x.cosh(),
    "floor": lambda x, y: x.floor(),
    "ceil": lambda x, y: x.ceil(),
    "trunc": lambda x, y: x.trunc(),
    "sign": lambda x, y: x.sign(),
    "silu": lambda x, y: F.silu(x),
    "gelu": lambda x, y: F.gelu(x),
    "gelu_tanh": lambda x, y: F.gelu(x, approximate="tanh"),
    "softplus": lambda x, y: F.softplus(x),
    "softplus_beta": lambda x, y: F.softplus(x, beta=2.0),
    "hardsigmoid": lambda x, y: F.hardsigmoid(x),
    "hardswish": lambda x, y: F.hardswish(x),
    "hardtanh": lambda x, y: F.hardtanh(x, -0.5, 2.0),
    "relu6": lambda x, y: F.relu6(3 * x),
    "mish": lambda x, y: F.mish(x),
    "leaky_relu": lambda x, y: F.leaky_relu(x, 0.1),
    "prelu": lambda x, y: F.prelu(x, y[0, 0, :1]),
    "elu": lambda x, y: F.elu(x, 1.5),
    "selu": lambda x, y: F.selu(x),
    "log_sigmoid": lambda x, y: F.logsigmoid(x),
    "glu": lambda x, y: F.glu(x, -1),
    "expm1": lambda x, y: x.expm1(),
    "log1p": lambda x, y: x.abs().log1p(),
    "exp2": lambda x, y: x.exp2(),
    "log2": lambda x, y: x.abs().log2(),
    "log10": lambda x, y: x.abs().log10(),
    "square": lambda x, y: x.square(),
    "logical_not": lambda x, y: torch.logical_not(x > 0),
    "bitwise_not": lambda x, y: ~(x > 0),
    "isnan": lambda x, y: torch.isnan(torch.where(x > 0, x, torch.nan)),
    "isinf": lambda x, y: torch.isinf(torch.where(x > 0, x, -torch.inf)),
}

BINARY: Of3 = {
    "add": lambda x, y, n: x + y,
    "add_alpha": lambda x, y, n: torch.add(x, y, alpha=2.5),
    "add_scalar": lambda x, y, n: x + 3,
    "add_bool": lambda x, y, n: (x > 0) + (y > 0),
    "sub": lambda x, y, n: x - y,
    "sub_alpha": lambda x, y, n: torch.sub(x, y, alpha=-2),
    "rsub": lambda x, y, n: torch.rsub(x, y, alpha=2),
    "rsub_scalar": lambda x, y, n: 1 - x,
    "mul": lambda x, y, n: x * y,
    "mul_bool": lambda x, y, n: (x > 0) * (y > 0),
    "mul_mixed": lambda x, y, n: x * (y > 0),
    "div": lambda x, y, n: x / y,
    "div_scalar": lambda x, y, n: x / 3,
    "div_integers": lambda x, y, n: n / 3,
    "div_floor": lambda x, y, n: torch.div(x, y, rounding_mode="floor"),
    "div_trunc": lambda x, y, n: torch.div(x, y, rounding_mode="trunc"),
    "remainder": lambda x, y, n: torch.remainder(x, 1.7),
    "fmod": lambda x, y, n: torch.fmod(x, y),
    "maximum": lambda x, y, n: torch.maximum(x, y),
    "minimum": lambda x, y, n: torch.minimum(x, y),
    "pow_2": lambda x, y, n: x**2,
    "pow_5": lambda x, y, n: x**5,
    "pow_half": lambda x, y, n: x.abs() ** 0.5,
    "pow_minus_half": lambda x, y, n: x.abs() ** -0.5,
    "pow_minus_one": lambda x, y, n: x**-1,
    "pow_zero": lambda x, y, n: x**0,
    "pow_fraction": lambda x, y, n: x.abs() ** 1.3,
    "pow_tensor": lambda x, y, n: x.abs() ** y,
    "pow_scalar": lambda x, y, n: 2.0**x,
    "eq": lambda x, y, n: n == 2,
    "ne": lambda x, y, n: n != n[0],
    "lt": lambda x, y, n: x < y,
    "le": lambda x, y, n: x <= 0.5,
    "gt": lambda x, y, n: x > n,
    "ge": lambda x, y, n: n >= 1.5,
    "ge_tensor": lambda x, y, n: x >= y,
    "le_tensor": lambda x, y, n: x <= y,
    "lt_scalar": lambda x, y, n: x < 1,
    "ne_scalar": lambda x, y, n: n != 2,
    "eq_tensor": lambda x, y, n: n == n[0],
    "remainder_tensor": lambda x, y, n: x % y,
    "fmod_scalar": lambda x, y, n: torch.fmod(x, 1.3),
    "lt_bool": lambda x, y, n: (x > 0) < (y > 0),
    "eq_bool": lambda x, y, n: (x > 0) == (y > 0),
    "logical_and": lambda x, y, n: torch.logical_and(x > 0, n),
    "logical_or": lambda x, y, n: torch.logical_or(x > 0, y > 0),
    "logical_xor": lambda x, y, n: torch.logical_xor(x > 0, y > 0),
    "bitwise_and": lambda x, y, n: (x > 0) & (y > 0),
    "bitwise_or": lambda x, y, n: (x > 0) | (y > 0),
    "bitwise_xor": lambda x, y, n: (x > 0) ^ (y > 0),
    "where": lambda x, y, n: torch.where(x > 0, x, y),
    "where_scalar": lambda x, y, n: torch.where(x > 0, x, 0.5),
    "where_integer": lambda x, y, n: torch.where(n > 1, n, -1),
    "masked_fill": lambda x, y, n: x.masked_fill(y > 0, -7.0),
    "masked_fill_tensor": lambda x, y, n: x.masked_fill(y > 0, y.sum()),
    "clamp": lambda x, y, n: x.clamp(-1, 1),
    "clamp_min": lambda x, y, n: x.clamp(min=0.1),
    "clamp_tensor": lambda x, y, n: torch.clamp(x, min=y),
    "addcmul": lambda x, y, n: torch.addcmul(x, x, y, value=0.5),
    "addcdiv": lambda x, y, n: torch.addcdiv(x, x, y),
    "lerp": lambda x, y, n: torch.lerp(x, y, 0.3),
    "integers": lambda x, y, n: n * 2 + n - 1,
    "mixed": lambda x, y, n: n + x,
    "to_int": lambda x, y, n: x.to(torch.int32),
    "to_half": lambda x, y, n: (x.half() + y.half()).float(),
    "to_bool": lambda x, y, n: (n - 1).to(torch.bool),
    "half_and_single": lambda x, y, n: x.half() + y,
}

REDUCE: Of1 = {
    "sum": lambda x: x.sum(),
    "sum_dim": lambda x: x.sum(1),
    "sum_dims": lambda x: x.sum((0, -1), keepdim=True),
    "sum_bool": lambda x: (x > 0).sum(-1),
    "mean": lambda x: x.mean(),
    "mean_dim": lambda x: x.mean(-1, keepdim=True),
    "amax": lambda x: x.amax(1),
    "amin": lambda x: x.amin((1, 2)),
    "max": lambda x: x.max(),
    "min": lambda x: x.min(),
    "max_dim": lambda x: x.max(-1).values,
    "min_dim": lambda x: x.min(0, keepdim=True).values,
    "any": lambda x: (x > 2.9).any(),
    "any_dim": lambda x: (x > 1).any(-1),
    "all": lambda x: (x > -4).all(),
    "all_dim": lambda x: (x > 1).all(0),
    "var": lambda x: x.var(-1),
    "var_biased": lambda x: x.var((0, 2), unbiased=False, keepdim=True),
    "std": lambda x: x.std(),
    "var_mean": lambda x: torch.var_mean(x, -1),
    "norm": lambda x: x.norm(dim=-1),  # pyright: ignore[reportUnknownLambdaType]
    "norm_1": lambda x: torch.linalg.vector_norm(x, 1, -1),  # pyright: ignore[reportUnknownLambdaType]
    "norm_inf": lambda x: torch.linalg.vector_norm(x, float("inf"), 0),  # pyright: ignore[reportUnknownLambdaType]
    "normalize": lambda x: F.normalize(x, dim=-1),
    "logsumexp": lambda x: torch.logsumexp(x, -1),
    "logsumexp_keep": lambda x: torch.logsumexp(x, (0, 1), keepdim=True),
    "softmax": lambda x: x.softmax(-1),
    "softmax_first": lambda x: x.softmax(0),
    "log_softmax": lambda x: x.log_softmax(1),
    "scalar_sum": lambda x: x.sum().sum(),
    "scalar_softmax": lambda x: x.sum().softmax(0),
    "scalar_log_softmax": lambda x: x.sum().log_softmax(0),
    "layer_norm": lambda x: F.layer_norm(x, x.shape[-1:]),
    "layer_norm_two": lambda x: F.layer_norm(x, x.shape[1:], x[0], x[1]),
    "rms_norm": lambda x: F.rms_norm(x, x.shape[-1:], x[0, 0]),
    "rms_norm_eps": lambda x: F.rms_norm(x, x.shape[-1:], eps=0.1),
    "group_norm": lambda x: F.group_norm(x, 2, x[:1, :, 0].flatten(), x[:1, :, 1].flatten()),
    "instance_norm": lambda x: F.instance_norm(x),
}

PRODUCT: Of2 = {
    "mm": lambda a, b: a[0] @ b,
    "bmm": lambda a, b: torch.bmm(a, a.transpose(1, 2)),
    "matmul": lambda a, b: a @ b,
    "matmul_four": lambda a, b: a[None] @ b,
    "mv": lambda a, b: a[0] @ b[:, 0],
    "dot": lambda a, b: torch.dot(a[0, 0], b[:, 1]),
    "addmm": lambda a, b: torch.addmm(b[0], a[0], b, beta=2, alpha=0.5),
    "addmm_no_bias": lambda a, b: torch.addmm(b[0], a[0], b, beta=0),
    "baddbmm": lambda a, b: torch.baddbmm(a[:, :, :3], a, a[:, :, :3].expand(2, 4, 3)),
    "einsum": lambda a, b: torch.einsum("bij,jk->kib", a, b),
    "linear": lambda a, b: F.linear(a, b.T, b[0]),
    "linear_vector": lambda a, b: F.linear(a[0, 0], b.T),
    "attention": lambda a, b: F.scaled_dot_product_attention(a, a, a),
    "attention_causal": lambda a, b: F.scaled_dot_product_attention(a, a, a, is_causal=True),
    "attention_scale": lambda a, b: F.scaled_dot_product_attention(a, a, a, scale=0.3),
    "attention_mask": lambda a, b: F.scaled_dot_product_attention(a, a, a, a @ a),
    "attention_bool": lambda a, b: F.scaled_dot_product_attention(
        a, a, a, torch.eye(4, dtype=torch.bool) | (a > 0)
    ),
    "attention_triangle": lambda a, b: F.scaled_dot_product_attention(
        a, a, a, torch.ones(4, 4, dtype=torch.bool).tril()
    ),
    "attention_grouped": lambda a, b: F.scaled_dot_product_attention(
        torch.stack([a, a + 1, a + 2, a + 3], 1), a[:, None].expand(2, 2, 4, 4),
        torch.stack([a, -a], 1), enable_gqa=True,
    ),
}  # fmt: skip

MOVE: Of1 = {
    "view": lambda x: x.view(6, -1),
    "reshape": lambda x: x.transpose(0, 1).reshape(-1),
    "flatten": lambda x: x.flatten(1),
    "unsqueeze": lambda x: x.unsqueeze(-1),
    "squeeze": lambda x: x[:1].squeeze(),
    "squeeze_dim": lambda x: x[:1].squeeze(0),
    "permute": lambda x: x.permute(2, 0, -2),
    "transpose": lambda x: x.transpose(-1, 0),
    "t": lambda x: x[0].T,
    "slice": lambda x: x[:, 1:-1, ::2],
    "slice_all": lambda x: x[:, :],
    "select": lambda x: x[:, -1],
    "split": lambda x: x.split([1, 3], 2),  # pyright: ignore[reportUnknownLambdaType]
    "chunk": lambda x: x.chunk(2, -1)[1],
    "unbind": lambda x: x.unbind(1)[2],
    "cat": lambda x: torch.cat([x, 2 * x, x > 0], 1),
    "cat_nothing": lambda x: torch.cat([x * 2, x[..., 4:] + 1], -1),
    "stack": lambda x: torch.stack([x, -x], -1),
    "expand": lambda x: x[:, :1].expand(-1, 5, -1),
    "expand_front": lambda x: x.expand(2, -1, -1, -1),
    "repeat": lambda x: x.repeat(2, 1, 3),
    "repeat_front": lambda x: x.repeat(2, 1, 1, 1),
    "repeat_interleave": lambda x: x.repeat_interleave(3, 1),
    "pad": lambda x: F.pad(x, (1, 2, 0, 3), value=5.0),
    "pad_negative": lambda x: F.pad(x, (-1, 1)),
    "roll": lambda x: x.roll(1, -1),
    "roll_two": lambda x: x.roll((1, -2), (0, 1)),
    "roll_flat": lambda x: x.roll(2),
    "clone": lambda x: x.clone().contiguous().detach(),
    "copy": lambda x: torch.zeros_like(x).copy_(x[:, :1]),
    "assign_slice": lambda x: torch.slice_scatter(x, x[:, :2] * 2, 1, 1, 3),
    "assign_row": lambda x: torch.select_scatter(x, x[:, 0] * 2, 1, -1),
    "in_place": lambda x: x.clone().add_(1),
    "index": lambda x: x[:, torch.tensor([0, -1, 1, 0])],
    "index_first": lambda x: x[torch.tensor([[1, 0], [0, 0]])],
    "index_select": lambda x: x.index_select(2, torch.tensor([3, 0])),
    "gather": lambda x: x.gather(1, torch.tensor([[[0, 1, 0, 1]], [[1, 1, 0, 0]]])),
    "gather_part": lambda x: x.gather(-1, torch.tensor([[[3], [1]]])),
    "triangle": lambda x: x[:, :3, :3].tril(),
    "full_like": lambda x: torch.full_like(x, 2.5),
    "zeros_like": lambda x: torch.zeros_like(x),
    "new_ones": lambda x: x.new_ones(3),
    "arange": lambda x: torch.arange(4) * x,
    "constant": lambda x: torch.tensor([1.0, 2.0, 3.0, 4.0]) + x,
    "same": lambda x: x,
    "number": lambda x: [3, None, x.shape[0]],
}

IMAGE: Of2 = {
    "conv": lambda x, w: F.conv2d(x, w, w[:, 0, 0, 0]),
    "conv_padded": lambda x, w: F.conv2d(x, w, padding=1, stride=(2, 1)),
    "conv_same": lambda x, w: F.conv2d(x, w, padding="same", dilation=2),
    "conv_groups": lambda x, w: F.conv2d(x, w[:, :2], groups=2),
    "conv_depthwise": lambda x, w: F.conv2d(x, w[:4, :1], groups=4),
    "conv_one": lambda x, w: F.conv1d(x[:, :, 0], w[:, :, 0], w[:, 0, 0, 0], padding=1),
    "conv_no_batch": lambda x, w: F.conv2d(x[0], w),
    "max_pool": lambda x, w: F.max_pool2d(x, 2),
    "max_pool_padded": lambda x, w: F.max_pool2d(x, 3, stride=2, padding=1),
    "max_pool_ceil": lambda x, w: F.max_pool2d(x, 2, stride=2, ceil_mode=True),
    "max_pool_one": lambda x, w: F.max_pool1d(x[:, :, 0], 3, 2),
    "max_pool_indices": lambda x, w: F.max_pool2d(x, 2, return_indices=True)[0],
    "avg_pool": lambda x, w: F.avg_pool2d(x, 3, 2),
    "avg_pool_padded": lambda x, w: F.avg_pool2d(x, 3, 2, padding=1),
    "avg_pool_inner": lambda x, w: F.avg_pool2d(x, 3, 2, padding=1, count_include_pad=False),
    "avg_pool_divisor": lambda x, w: F.avg_pool2d(x, 2, divisor_override=3),
    "avg_pool_one": lambda x, w: F.avg_pool1d(x[:, :, 0], 2),
    "adaptive_avg": lambda x, w: F.adaptive_avg_pool2d(x, (3, 2)),
    "adaptive_avg_one": lambda x, w: F.adaptive_avg_pool2d(x, 1),
    "adaptive_max": lambda x, w: F.adaptive_max_pool2d(x[..., :6], (1, 3)),
    "nearest": lambda x, w: F.interpolate(x, scale_factor=2),
    "nearest_one": lambda x, w: F.interpolate(x[:, :, 0], scale_factor=3),
    "bilinear": lambda x, w: F.interpolate(x, scale_factor=1.5, mode="bilinear"),
    "bilinear_size": lambda x, w: F.interpolate(x, (9, 4), mode="bilinear"),
    "bilinear_corners": lambda x, w: F.interpolate(x, (9, 11), mode="bilinear", align_corners=True),
    "pixel_shuffle": lambda x, w: F.pixel_shuffle(x, 2),
}

WRITE: Of3 = {
    "copy_rows": lambda x, n, s: x.index_copy(1, n, s),
    "copy_infinite": lambda x, n, s: x.index_copy(
        1, n, torch.where(s > 0.5, torch.inf, torch.where(s < -0.5, -torch.inf, s))
    ),
    "copy_undefined": lambda x, n, s: x.index_copy(
        1, n, torch.where(s[:, :1] > 0, torch.inf, s) * 0
    ),
    "copy_one": lambda x, n, s: x.index_copy(1, n[1:], s[:, :1]),
    "copy_last": lambda x, n, s: x.index_copy(2, n, x[:, :, :2] + s[:, :1, :2]),
    "put": lambda x, n, s: torch.ops.aten.index_put(x, [None, n - 3], s),
    "put_one": lambda x, n, s: x.index_put((n[:1],), s[:1, 0]),
    "put_number": lambda x, n, s: x.index_put((n,), s[0, 0]),
}

FAMILIES: dict[str, tuple[Cases, tuple[torch.Tensor, ...], dict[str, torch.Tensor]]] = {
    "unary": (UNARY, (numbers(2, 3, 4), numbers(2, 3, 4) * 0.7), {}),
    "binary": (
        BINARY,
        (numbers(2, 3, 4), numbers(3, 1), torch.tensor([0, 1, 2, 3])),
        {},
    ),
    "reduce": (REDUCE, (numbers(3, 4, 6),), {}),
    "product": (PRODUCT, (numbers(2, 4, 4),), {"b": numbers(4, 3)}),
    "write": (WRITE, (numbers(3, 3, 4), torch.tensor([2, 0]), numbers(3, 2, 4)), {}),
    "move": (MOVE, (numbers(2, 3, 4),), {}),
    "image": (IMAGE, (numbers(2, 4, 7, 7),), {"w": numbers(6, 4, 3, 3)}),
}
