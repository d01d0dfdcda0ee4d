"""Graph operations that compute: elementwise, reductions, norms, matrix products, convolution.

Operand types are `TensorType`; shapes follow PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from waferc_ir.dtypes import DType
from waferc_ir.ops.declare import Op
from waferc_ir.ops.functions import (
    LOGICAL,
    POOL,
    REDUCE,
    binary_dtype,
    float_elements,
    integer_ids,
    reduce_dtype,
    representable,
    unary_dtype,
)
from waferc_ir.ops.shapes import (
    Shape,
    broadcast,
    dimension,
    expanded,
    extents,
    rank_of,
    reduced,
    same_dtype,
    tensor,
)
from waferc_ir.ops.windows import contraction, convolved, pooled
from waferc_ir.program import Value
from waferc_ir.types import TensorType


class Unary(Op, name="graph.unary"):
    """`fn(x)` elementwise; `fn` is one of `functions.UNARY` (`gelu` is the exact, erf form)."""

    x: Value
    fn: str

    def result_type(self) -> TensorType:
        x = tensor(self, self.x, "x")
        return TensorType(x.shape, unary_dtype(self, self.fn, x.dtype))


class Binary(Op, name="graph.binary"):
    """`fn(lhs, rhs)` elementwise with NumPy broadcasting; comparisons and logic yield bool."""

    lhs: Value
    rhs: Value
    fn: str

    def result_type(self) -> TensorType:
        lhs, rhs = tensor(self, self.lhs, "lhs"), tensor(self, self.rhs, "rhs")
        dtype = same_dtype(self, ("lhs", lhs.dtype), ("rhs", rhs.dtype))
        shape = broadcast(self, [lhs.shape, rhs.shape])
        return TensorType(shape, binary_dtype(self, self.fn, dtype))


class BinaryScalar(Op, name="graph.binary_scalar"):
    """`fn(x, value)`, or `fn(value, x)` if `reverse`."""

    x: Value
    fn: str
    value: float
    reverse: bool = False

    def result_type(self) -> TensorType:
        x = tensor(self, self.x, "x")
        self.require(self.fn not in LOGICAL, f"{self.fn} takes no scalar")
        representable(self, self.value, x.dtype)
        return TensorType(x.shape, binary_dtype(self, self.fn, x.dtype))


class Select(Op, name="graph.select"):
    """`lhs` where `condition` (bool) holds, else `rhs`; all broadcast together."""

    condition: Value
    lhs: Value
    rhs: Value

    def result_type(self) -> TensorType:
        condition = tensor(self, self.condition, "condition")
        lhs, rhs = tensor(self, self.lhs, "lhs"), tensor(self, self.rhs, "rhs")
        self.require(
            condition.dtype is DType.BOOL, f"condition has {condition.dtype} elements, not bool"
        )
        dtype = same_dtype(self, ("lhs", lhs.dtype), ("rhs", rhs.dtype))
        return TensorType(broadcast(self, [condition.shape, lhs.shape, rhs.shape]), dtype)


class Cast(Op, name="graph.cast"):
    """`x` converted to another element type (float to integer truncates toward zero)."""

    x: Value
    dtype: DType

    def result_type(self) -> TensorType:
        return TensorType(tensor(self, self.x, "x").shape, self.dtype)


class Reduce(Op, name="graph.reduce"):
    """Reduction by `fn` (sum, max, min, mean) over `dims` (non-negative)."""

    x: Value
    fn: str
    dims: tuple[int, ...]
    keepdim: bool = False

    def result_type(self) -> TensorType:
        x = tensor(self, self.x, "x")
        dtype = reduce_dtype(self, self.fn, REDUCE, x.dtype)
        return TensorType(reduced(self, x.shape, self.dims, self.keepdim), dtype)


class Softmax(Op, name="graph.softmax"):
    """Softmax along `dim`; its logarithm if `log`."""

    x: Value
    dim: int
    log: bool = False

    def result_type(self) -> TensorType:
        x = tensor(self, self.x, "x")
        float_elements(self, x.dtype)
        dimension(self, self.dim, x.shape)
        return x


class LayerNorm(Op, name="graph.layer_norm"):
    """Layer norm over the last `rank` dimensions, with optional affine weight and bias."""

    x: Value
    weight: Value | None
    bias: Value | None
    rank: int
    eps: float

    def result_type(self) -> TensorType:
        return _normalized(self, self.x, (self.weight, self.bias), self.rank, self.eps)


class RmsNorm(Op, name="graph.rms_norm"):
    """`x * rsqrt(mean(x^2) + eps) * weight` over the last `rank` dimensions."""

    x: Value
    weight: Value | None
    rank: int
    eps: float

    def result_type(self) -> TensorType:
        return _normalized(self, self.x, (self.weight,), self.rank, self.eps)


class MatMul(Op, name="graph.matmul"):
    """`[..., m, k] x [..., k, n] -> [..., m, n]`, leading dimensions broadcast."""

    lhs: Value
    rhs: Value

    def result_type(self) -> TensorType:
        lhs, rhs = tensor(self, self.lhs, "lhs"), tensor(self, self.rhs, "rhs")
        dtype = float_elements(self, same_dtype(self, ("lhs", lhs.dtype), ("rhs", rhs.dtype)))
        for role, given in (("lhs", lhs), ("rhs", rhs)):
            self.require(
                given.rank >= 2, f"{role} has shape {extents(given.shape)}, fewer than 2 dimensions"
            )
        self.require(
            lhs.shape[-1] == rhs.shape[-2],
            f"inner extents {lhs.shape[-1]} of {extents(lhs.shape)} and {rhs.shape[-2]} of"
            f" {extents(rhs.shape)} differ",
        )
        leading = broadcast(self, [lhs.shape[:-2], rhs.shape[:-2]])
        return TensorType((*leading, lhs.shape[-2], rhs.shape[-1]), dtype)


class Linear(Op, name="graph.linear"):
    """`[..., k] x [n, k] (+ [n]) -> [..., n]`, as `torch.nn.functional.linear`."""

    x: Value
    weight: Value
    bias: Value | None

    def result_type(self) -> TensorType:
        x, weight = tensor(self, self.x, "x"), tensor(self, self.weight, "weight")
        dtype = float_elements(self, same_dtype(self, ("x", x.dtype), ("weight", weight.dtype)))
        self.require(x.rank >= 1, "x has no dimension")
        rank_of(self, weight.shape, 2, "weight")
        self.require(
            x.shape[-1] == weight.shape[1],
            f"x has {x.shape[-1]} features in {extents(x.shape)} and weight takes"
            f" {weight.shape[1]} in {extents(weight.shape)}",
        )
        _bias(self, self.bias, weight.shape[0], dtype)
        return TensorType((*x.shape[:-1], weight.shape[0]), dtype)


class Attention(Op, name="graph.attention"):
    """Scaled dot-product attention of `[..., heads, tokens, width]` operands.

    `mask` is bool (True keeps) or is added to the scores; `causal` hides keys after the query.
    """

    query: Value
    key: Value
    value: Value
    mask: Value | None
    causal: bool
    scale: float

    def result_type(self) -> TensorType:
        query = tensor(self, self.query, "query")
        key, value = tensor(self, self.key, "key"), tensor(self, self.value, "value")
        dtype = float_elements(self, query.dtype)
        for role, given in (("query", query), ("key", key), ("value", value)):
            same_dtype(self, ("query", dtype), (role, given.dtype))
            self.require(
                given.rank >= 2, f"{role} has shape {extents(given.shape)}, fewer than 2 dimensions"
            )
        self.require(
            query.shape[-1] == key.shape[-1],
            f"query is {query.shape[-1]} wide and key {key.shape[-1]}",
        )
        self.require(
            key.shape[-2] == value.shape[-2],
            f"key has {key.shape[-2]} tokens and value {value.shape[-2]}",
        )
        leading = broadcast(self, [given.shape[:-2] for given in (query, key, value)])
        if self.mask is not None:
            mask = tensor(self, self.mask, "mask")
            if mask.dtype is not DType.BOOL:
                same_dtype(self, ("query", dtype), ("mask", mask.dtype))
            expanded(self, mask.shape, (*leading, query.shape[-2], key.shape[-2]))
        return TensorType((*leading, query.shape[-2], value.shape[-1]), dtype)


class Embedding(Op, name="graph.embedding"):
    """Rows of `table` `[v, d]` by integer `ids` `[...]` -> `[..., d]`."""

    table: Value
    ids: Value

    def result_type(self) -> TensorType:
        table, ids = tensor(self, self.table, "table"), tensor(self, self.ids, "ids")
        rank_of(self, table.shape, 2, "table")
        integer_ids(self, ids.dtype)
        return TensorType((*ids.shape, table.shape[1]), table.dtype)


class Conv2d(Op, name="graph.conv2d"):
    """`[n, ci, h, w] x [co, ci/groups, kh, kw] (+ [co]) -> [n, co, oh, ow]`."""

    x: Value
    weight: Value
    bias: Value | None
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    def result_type(self) -> TensorType:
        x, weight = tensor(self, self.x, "x"), tensor(self, self.weight, "weight")
        dtype = float_elements(self, same_dtype(self, ("x", x.dtype), ("weight", weight.dtype)))
        shape = convolved(
            self, x.shape, weight.shape, self.stride, self.padding, self.dilation, self.groups
        )
        _bias(self, self.bias, weight.shape[0], dtype)
        return TensorType(shape, dtype)


class Pool2d(Op, name="graph.pool2d"):
    """Max or average pooling (`fn` is max or mean) over the last two of four dimensions.

    Max pads with minus infinity; mean counts the padding if `count_padding`.
    """

    x: Value
    fn: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    count_padding: bool = True

    def result_type(self) -> TensorType:
        x = tensor(self, self.x, "x")
        dtype = reduce_dtype(self, self.fn, POOL, x.dtype)
        return TensorType(pooled(self, x.shape, self.kernel, self.stride, self.padding), dtype)


class Contract(Op, name="graph.contract"):
    """Einstein sum of two operands: letters name dimensions, `out` lists the kept ones.

    `bmk, bkn -> bmn` is a batched matrix product. Every letter occurs at
    most once in a string; letters of an operand that are missing in `out` occur in both operands
    and are summed over. Accumulates in the element type of the operands; if `wide`, they are f16,
    and products, sums and the result are f32.
    """

    lhs: Value
    rhs: Value
    lhs_dims: str
    rhs_dims: str
    out_dims: str
    wide: bool = False

    def result_type(self) -> TensorType:
        lhs, rhs = tensor(self, self.lhs, "lhs"), tensor(self, self.rhs, "rhs")
        dtype = same_dtype(self, ("lhs", lhs.dtype), ("rhs", rhs.dtype))
        self.require(not self.wide or dtype is DType.F16, f"wide sums are of f16, not {dtype}")
        self.require(dtype is not DType.BOOL, "a sum of products of bool elements is not defined")
        letters = contraction(
            self, lhs.shape, rhs.shape, self.lhs_dims, self.rhs_dims, self.out_dims
        )
        return TensorType(letters.shape, DType.F32 if self.wide else dtype)


class CausalMask(Op, name="graph.causal_mask"):
    """Minus infinity where (index in the last dim) > (index in the one before) + `offset`."""

    x: Value
    offset: int = 0

    def result_type(self) -> TensorType:
        x = tensor(self, self.x, "x")
        self.require(x.rank >= 2, f"x has shape {extents(x.shape)}, fewer than 2 dimensions")
        self.require(x.dtype.is_float, f"x has {x.dtype} elements, which have no infinity")
        return x


def _normalized(
    op: Op, x: Value, affine: Sequence[Value | None], rank: int, eps: float
) -> TensorType:
    given = tensor(op, x, "x")
    float_elements(op, given.dtype)
    op.require(
        1 <= rank <= given.rank,
        f"the last {rank} dimensions are meant, and x has {given.rank}: {extents(given.shape)}",
    )
    op.require(0 <= eps < math.inf, f"eps is {eps!r}, not a small positive number")
    for role, value in zip(("weight", "bias"), affine, strict=False):
        if value is not None:
            _affine(op, value, role, given.shape[-rank:], given.dtype)
    return given


def _bias(op: Op, bias: Value | None, channels: int, dtype: DType) -> None:
    if bias is not None:
        _affine(op, bias, "bias", (channels,), dtype)


def _affine(op: Op, value: Value, role: str, shape: Shape, dtype: DType) -> None:
    given = tensor(op, value, role)
    same_dtype(op, ("x", dtype), (role, given.dtype))
    op.require(
        given.shape == shape, f"{role} has shape {extents(given.shape)}, not {extents(shape)}"
    )
