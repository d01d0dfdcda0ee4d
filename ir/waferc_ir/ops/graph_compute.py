"""Graph operations that compute: elementwise, reductions, norms, matrix products, convolution.

Operand types are `TensorType`; shapes follow PyTorch.
"""

from __future__ import annotations

from waferc_ir.dtypes import DType
from waferc_ir.ops.declare import Op
from waferc_ir.program import Value
from waferc_ir.types import TensorType


class Unary(Op, name="graph.unary"):
    """`fn(x)` elementwise; `fn` is one of `functions.UNARY` (`gelu` is the exact, erf form)."""

    x: Value
    fn: str


class Binary(Op, name="graph.binary"):
    """`fn(lhs, rhs)` elementwise with NumPy broadcasting; comparisons and logic yield bool."""

    lhs: Value
    rhs: Value
    fn: str


class BinaryScalar(Op, name="graph.binary_scalar"):
    """`fn(x, value)`, or `fn(value, x)` if `reverse`."""

    x: Value
    fn: str
    value: float
    reverse: bool = False


class Select(Op, name="graph.select"):
    """`lhs` where `condition` (bool) holds, else `rhs`; all broadcast together."""

    condition: Value
    lhs: Value
    rhs: Value


class Cast(Op, name="graph.cast"):
    """`x` converted to another element type (float to integer truncates toward zero)."""

    x: Value
    dtype: DType


class Reduce(Op, name="graph.reduce"):
    """Reduction by `fn` (sum, max, min, mean) over `dims` (non-negative)."""

    x: Value
    fn: str
    dims: tuple[int, ...]
    keepdim: bool = False


class Softmax(Op, name="graph.softmax"):
    """Softmax along `dim`; its logarithm if `log`."""

    x: Value
    dim: int
    log: bool = False


class LayerNorm(Op, name="graph.layer_norm"):
    """Layer norm over the last `rank` dimensions, with optional affine weight and bias."""

    x: Value
    weight: Value | None
    bias: Value | None
    rank: int
    eps: float


class RmsNorm(Op, name="graph.rms_norm"):
    """`x * rsqrt(mean(x^2) + eps) * weight` over the last `rank` dimensions."""

    x: Value
    weight: Value | None
    rank: int
    eps: float


class MatMul(Op, name="graph.matmul"):
    """`[..., m, k] x [..., k, n] -> [..., m, n]`, leading dimensions broadcast."""

    lhs: Value
    rhs: Value


class Linear(Op, name="graph.linear"):
    """`[..., k] x [n, k] (+ [n]) -> [..., n]`, as `torch.nn.functional.linear`."""

    x: Value
    weight: Value
    bias: Value | None


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


class Embedding(Op, name="graph.embedding"):
    """Rows of `table` `[v, d]` by integer `ids` `[...]` -> `[..., d]`."""

    table: Value
    ids: Value


class Conv2d(Op, name="graph.conv2d"):
    """`[n, ci, h, w] x [co, ci/groups, kh, kw] (+ [co]) -> [n, co, oh, ow]`."""

    x: Value
    weight: Value
    bias: Value | None
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


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


class Contract(Op, name="graph.contract"):
    """Einstein sum of two operands: letters name dimensions, `out` lists the kept ones.

    `{lhs = "bmk", rhs = "bkn", out = "bmn"}` is a batched matrix product. Every letter occurs at
    most once in a string; letters of an operand that are missing in `out` occur in both operands
    and are summed over. Accumulates in the element type of `lhs`.
    """

    lhs: Value
    rhs: Value
    lhs_dims: str
    rhs_dims: str
    out_dims: str


class CausalMask(Op, name="graph.causal_mask"):
    """Minus infinity where (index in the last dim) > (index in the one before) + `offset`."""

    x: Value
    offset: int = 0
