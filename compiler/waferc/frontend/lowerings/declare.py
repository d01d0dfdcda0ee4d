"""How the lowering of a torch operator is declared, and what it gets: a `Call`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc.frontend.captured import LowerError, Node, Ref, TensorMeta
from waferc.frontend.limits import Numbers
from waferc_ir.dtypes import DType
from waferc_ir.ops.declare import Op, VerifyError
from waferc_ir.ops.graph_compute import Cast
from waferc_ir.ops.graph_structure import Parameter
from waferc_ir.program import Builder, Value
from waferc_ir.types import TensorType

Results = Value | tuple[Value | None, ...]
Lowering = Callable[["Call"], Results]

TORCH_DTYPES: Mapping[str, DType] = MappingProxyType(
    {
        "float32": DType.F32,
        "float16": DType.F16,
        "int64": DType.I32,
        "int32": DType.I32,
        "int16": DType.I16,
        "bool": DType.BOOL,
    }
)
"""Element types of torch that programs can hold. int64 becomes i32; its values are checked."""

_LOWERINGS: dict[str, tuple[str, Lowering]] = {}
LOWERINGS: Mapping[str, tuple[str, Lowering]] = MappingProxyType(_LOWERINGS)
"""By torch operator: the family and the lowering."""


def lowers(*targets: str) -> Callable[[Lowering], Lowering]:
    """Declare a function as the lowering of torch operators such as `aten.gelu.default`.

    It gets a `Call` and returns the value of the result, or one per result (None for those that it
    does not have).
    """

    def enter(function: Lowering) -> Lowering:
        family = function.__module__.rsplit(".", 1)[-1]
        for target in targets:
            if target in _LOWERINGS:
                raise TypeError(f"{target} is lowered in {_LOWERINGS[target][0]} and in {family}")
            _LOWERINGS[target] = family, function
        return function

    return enter


def program_dtype(torch_dtype: str) -> DType:
    """The element type that programs have for one of torch.

    Raises:
        LowerError: there is none.
    """
    if torch_dtype in TORCH_DTYPES:
        return TORCH_DTYPES[torch_dtype]
    hints = {
        "float64": "convert the model and its inputs with .float()",
        "bfloat16": "convert the model with .float() or .half(): the wafer has f32 and f16",
    }
    known = ", ".join(TORCH_DTYPES)
    raise LowerError(
        f"element type {torch_dtype} is not supported",
        help=hints.get(torch_dtype, f"known: {known}"),
    )


class Call:
    """One captured call on its way into the program: its arguments, and where to add operations.

    `used` holds the numbers of the results that something reads.
    """

    def __init__(
        self,
        node: Node,
        builder: Builder,
        values: Mapping[str, tuple[Value | None, ...]],
        weights: dict[str, NDArray[Any]],
        constants: Mapping[Value, NDArray[Any]],
        used: frozenset[int],
        limits: list[Numbers],
    ) -> None:
        self.node = node
        self.used = used
        self._builder = builder
        self._values = values
        self._weights = weights
        self._constants = constants
        self._limits = limits

    @property
    def result(self) -> TensorType:
        """Shape and element type of the first result, as torch states them."""
        meta = self.node.results[0]
        assert meta is not None, self.node.target
        return self.stated(meta)

    def stated(self, meta: TensorMeta) -> TensorType:
        """The type that a captured tensor has in the program."""
        if 0 in meta.shape:
            raise LowerError(f"a tensor of shape {list(meta.shape)} has no elements")
        return TensorType(meta.shape, program_dtype(meta.dtype))

    def add(self, op: Op) -> Value:
        """Append an operation.

        Raises:
            LowerError: the operation cannot be as it is wanted.
        """
        try:
            return self._builder.add(op)
        except VerifyError as problem:
            raise LowerError(f"{self.node.target} cannot be lowered: {problem.message}") from None

    def constant(self, array: NDArray[Any], hint: str) -> Value:
        """Append a parameter that holds `array`; `hint` says in its label what it is."""
        label = f"{self.node.name}.{hint}"
        dtype = next(d for d in DType if np.dtype(d.numpy) == array.dtype)
        self._weights[label] = array
        return self.add(Parameter(label, array.shape, dtype))

    def limit(self, x: Value, low: int, high: int) -> Value:
        """`x`, whose elements must lie between `low` and `high`: other ones are an error."""
        self._limits.append(Numbers(x, low, high))
        return x

    def constant_data(self, x: Value) -> NDArray[Any] | None:
        """The data of a constant of the model; None if `x` is computed."""
        return self._constants.get(x)

    def cast(self, x: Value, dtype: DType) -> Value:
        """`x` in an element type; itself if it has it."""
        return x if tensor_type(x).dtype is dtype else self.add(Cast(x, dtype))

    def refuse(self, why: str, help: str | None = None) -> LowerError:
        """The error for an argument that the program has no form for."""
        return LowerError(f"{self.node.target} {why}", help=help)

    def tensors(self, name: str) -> tuple[Value, ...]:
        """A list of tensors."""
        given = self.node.arguments[name]
        assert isinstance(given, tuple), (self.node.target, name)
        return tuple(self._value(item) for item in given)

    def tensor(self, name: str) -> Value:
        """A tensor."""
        return self._value(self.node.arguments[name])

    def optional_tensor(self, name: str) -> Value | None:
        """A tensor or None."""
        return None if self.node.arguments[name] is None else self.tensor(name)

    def is_tensor(self, name: str) -> bool:
        """Whether an argument is a tensor."""
        return isinstance(self.node.arguments[name], Ref)

    def optional_tensors(self, name: str) -> tuple[Value | None, ...]:
        """A list of tensors; None for what is not given or has no elements."""
        given = self.node.arguments[name]
        assert isinstance(given, tuple), (self.node.target, name)
        return tuple(
            self._values[item.node][0] if isinstance(item, Ref) else None for item in given
        )

    def results_of(self, name: str) -> tuple[Value | None, ...]:
        """All results of the call that an argument refers to."""
        given = self.node.arguments[name]
        assert isinstance(given, Ref), (self.node.target, name)
        return self._values[given.node]

    def number(self, name: str) -> float:
        """A number."""
        given = self.node.arguments[name]
        assert isinstance(given, (bool, int, float)), (self.node.target, name)
        return given

    def optional_number(self, name: str) -> float | None:
        """A number or None."""
        return None if self.node.arguments[name] is None else self.number(name)

    def integer(self, name: str) -> int:
        """An integer."""
        given = self.node.arguments[name]
        assert isinstance(given, int), (self.node.target, name)
        return given

    def integers(self, name: str) -> tuple[int, ...]:
        """A list of integers; one integer is a list of one, None an empty list."""
        given = self.node.arguments[name]
        if given is None:
            return ()
        items = given if isinstance(given, tuple) else (given,)
        return tuple(item for item in items if isinstance(item, int))

    def flag(self, name: str) -> bool:
        """A truth value."""
        return bool(self.node.arguments[name])

    def text(self, name: str) -> str | None:
        """A string or None."""
        given = self.node.arguments[name]
        assert given is None or isinstance(given, str), (self.node.target, name)
        return given

    def dim(self, name: str, rank: int) -> int:
        """A dimension, counted from 0."""
        return self.integer(name) % rank if rank else 0

    def dims(self, name: str, rank: int) -> tuple[int, ...]:
        """Dimensions, counted from 0, ascending; all if none are given."""
        given = self.integers(name)
        return tuple(sorted(dim % rank for dim in given)) if given else tuple(range(rank))

    def _value(self, given: object) -> Value:
        assert isinstance(given, Ref), (self.node.target, given)
        value = self._values[given.node][0]
        if value is None:
            raise LowerError(f"{self.node.target} reads a tensor that has no elements")
        return value


def tensor_type(value: Value) -> TensorType:
    """The type of a value of a graph program."""
    assert isinstance(value.type, TensorType)
    return value.type


def shape_of(value: Value) -> tuple[int, ...]:
    """Shape of a value of a graph program."""
    return tensor_type(value).shape
