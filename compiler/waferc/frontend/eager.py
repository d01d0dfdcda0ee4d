"""The model itself, run by PyTorch: the reference that compiled models are compared with.

torch is looked up among the loaded modules: where nobody imported it there are no tensors.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from waferc.frontend.capture import calling, load_exported
from waferc.frontend.captured import CaptureError

Array = NDArray[Any]
Reference = Callable[[tuple[Any, ...], Mapping[str, Any]], Any]


def is_tensor(value: object) -> bool:
    """Whether `value` is a torch tensor."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def as_array(value: Any) -> Array:
    """A tensor, array or number as an array; tensors on other devices are copied.

    Raises:
        CaptureError: the values are of no type that NumPy has (bf16, quantised, sparse).
    """
    if not is_tensor(value):
        return np.asarray(value)
    try:
        return value.detach().cpu().numpy()
    except (TypeError, RuntimeError) as problem:
        raise CaptureError(f"a tensor of {value.dtype} has no array: {problem}") from None


def as_tensor(array: Array) -> Any:
    """An array as a torch tensor with memory of its own."""
    return sys.modules["torch"].from_numpy(np.array(array))


def eager(model: Any, *, has_state: bool = False, method: str = "forward") -> Reference | None:
    """A function that calls the model without gradients; None for what cannot be called.

    It calls the module's `method`, with positional arguments and keyword arguments, arrays or
    tensors inside. With `has_state` each call is the first: it leaves no trace in the model's
    buffers.

    Raises:
        CaptureError: the model is the path of an exported program that cannot be read.
    """
    import torch

    if isinstance(model, str | Path):
        model = load_exported(Path(model))
    if isinstance(model, torch.export.ExportedProgram):
        module: Any = model.module()
    elif isinstance(model, torch.nn.Module):
        module = model
    else:
        return None

    def call(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        called = copy.deepcopy(module) if has_state else module
        with torch.no_grad():
            return calling(called, method)(*_tensors(args), **_tensors(dict(kwargs)))

    return call


def _tensors(value: Any) -> Any:
    """The same nested values with tensors for arrays."""
    if isinstance(value, np.ndarray | np.generic):
        return as_tensor(np.asarray(value))  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, tuple | list):
        items = [_tensors(item) for item in cast("list[Any] | tuple[Any, ...]", value)]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, dict):
        return {key: _tensors(item) for key, item in cast("dict[Any, Any]", value).items()}
    return value
