"""A captured model without torch: nodes with named arguments, arrays, structure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from waferc.structure import Structure
from waferc_ir.diagnostics import Location, WaferError
from waferc_ir.dtypes import DType


class CaptureError(WaferError):
    """A model cannot be captured as a graph, or its file cannot be read."""

    code = "capture"


class LowerError(WaferError):
    """A captured operation has no form in the graph IR."""

    code = "lower"


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to what another node yields."""

    node: str


Argument = Ref | bool | int | float | str | None | tuple["Argument", ...]


@dataclass(frozen=True, slots=True)
class TensorMeta:
    """Shape and torch dtype (`float32`, `int64`, ...) of a captured tensor."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Node:
    """One captured call.

    `target` is the torch operator without the namespace `torch.ops`, such as
    `aten.linear.default`, or `getitem`. `arguments` are complete: by name, defaults filled in.
    `results` describes every result; None stands for what is no tensor. `is_tuple` says whether
    the results come as a tuple. `module` is the path of the submodule, for notes.
    """

    name: str
    target: str
    arguments: Mapping[str, Argument]
    results: tuple[TensorMeta | None, ...]
    is_tuple: bool
    at: Location | None
    module: str


@dataclass(frozen=True, slots=True)
class CapturedInput:
    """An input that the user gives at every call."""

    node: str
    label: str
    meta: TensorMeta


@dataclass(frozen=True, slots=True)
class CapturedConstant:
    """A parameter, buffer or constant. Nodes that share memory share `label` and `data`.

    `data` is None for a tensor on torch's meta device, which has none. `torch_dtype` is torch's
    element type: bfloat16 data are kept as float32. `is_parameter` says whether it is a trained
    weight.
    """

    node: str
    label: str
    shape: tuple[int, ...]
    data: NDArray[Any] | None
    torch_dtype: str
    is_parameter: bool
    at: Location | None = None


@dataclass(frozen=True, slots=True)
class CapturedState:
    """A buffer that the model changes: its node, its first content, and what it becomes.

    Where another entry changes it, and this one only reads it, it becomes itself. `data` is None
    for a buffer on torch's meta device.
    """

    node: str
    label: str
    shape: tuple[int, ...]
    data: NDArray[Any] | None
    torch_dtype: str
    becomes: Ref
    at: Location | None = None


@dataclass(frozen=True, slots=True)
class Shared:
    """What the entries of a module share: labels of its tensors, and of those that some change."""

    labels: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Captured:
    """A captured model: calls in order, where tensors come from, and what goes out.

    `outputs` pairs labels with the nodes that yield them. `arguments` is the structure of what the
    model is called with, a tuple and a dict; `returns` that of what it returns.
    """

    name: str
    inputs: tuple[CapturedInput, ...]
    constants: tuple[CapturedConstant, ...]
    states: tuple[CapturedState, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[tuple[str, Ref], ...]
    arguments: Structure
    returns: Structure


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What an input of a program looks like, and the torch dtype that the user gives."""

    label: str
    shape: tuple[int, ...]
    dtype: DType
    torch_dtype: str
