"""A PyTorch model and example inputs become a captured graph, by torch.export.

torch is imported when a model is captured, not before: compiled models run without it.
"""

from __future__ import annotations

import copy
import importlib.util
import io
import logging
import sysconfig
import traceback
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Any, cast

import numpy as np

import waferc.frontend
from waferc.frontend.archive import read_archive
from waferc.frontend.captured import Captured, CaptureError, Shared
from waferc.frontend.exported import read_exported
from waferc.frontend.locations import place
from waferc_ir.diagnostics import Location

if TYPE_CHECKING:
    import torch

# What decomposes worse than it lowers; all else becomes core ATen.
KEPT = (
    "scaled_dot_product_attention.default", "linear.default", "layer_norm.default",
    "rms_norm.default", "group_norm.default", "silu.default", "softplus.default",
    "hardswish.default", "hardsigmoid.default", "mish.default", "roll.default",
    "index_copy.default", "max_pool2d.default", "max_pool1d.default", "glu.default",
    "logsumexp.default", "masked_fill.Scalar",
)  # fmt: skip

_DATA_DEPENDENT = ("GuardOnDataDependentSymNode", "DataDependentOutputException")


def capture(
    model: object,
    args: object = (),
    kwargs: Mapping[str, object] | None = None,
    name: str | None = None,
) -> Captured:
    """Capture a model for the shapes and dtypes of its example inputs.

    Args:
        model: an `nn.Module` (also a `torch.fx.GraphModule`), an `ExportedProgram`, or the path
            of a file that `torch.export.save` wrote.
        args: example inputs: a tuple or list of the positional arguments, or one tensor. NumPy
            arrays are taken as tensors. An exported program or file needs none.
        kwargs: example inputs by keyword.
        name: the program's name; by default that of the module's class, or of the file.

    Raises:
        CaptureError: torch cannot trace the model, an input is no tensor, shapes are dynamic, the
            model writes to its buffers or inputs, or the file is damaged or unsafe to load.
    """
    _need_torch()
    import torch

    if isinstance(model, (str, Path)):
        program, given = load_exported(Path(model)), Path(model).stem
    elif isinstance(model, torch.export.ExportedProgram):
        program, given = model, "model"
    elif isinstance(model, torch.nn.Module):
        program = _export(model, *_on_its_device(model, *_example_inputs(args, kwargs)))
        given = type(model).__name__
    else:
        raise CaptureError(
            f"a model is an nn.Module, an ExportedProgram or a .pt2 path, not {_kind(model)}"
        )
    where = f"{model}: " if isinstance(model, (str, Path)) else ""
    return read_exported(_decomposed(program, where), name or given, is_library_file)


@dataclass(frozen=True, slots=True)
class ExampleCall:
    """An example of how an entry is called: its arguments, and the module's method."""

    args: object = ()
    kwargs: Mapping[str, object] = field(default_factory=lambda: {})
    method: str = "forward"


def capture_entries(
    model: object, calls: Mapping[str, ExampleCall], name: str | None = None
) -> dict[str, Captured]:
    """Capture a module once for each entry, with one label for each of its tensors.

    A buffer that one entry changes is a state in all of them.

    Raises:
        CaptureError: as `capture`; or the model is no module, or an entry's name no identifier.
    """
    _need_torch()
    import torch

    if not isinstance(model, torch.nn.Module):
        raise CaptureError(
            f"entries are those of an nn.Module, not of {_kind(model)}",
            help="give the module that was exported",
        )
    unnamed = [label for label in calls if not label.isidentifier()]
    if unnamed or not calls:
        raise CaptureError(
            f"{unnamed[0]!r} is no name for an entry" if unnamed else "there are no entries",
            help="name each as one names a function, such as 'prefill'",
        )
    programs = {
        label: _decomposed(
            _export(calling(model, call.method), *_example_inputs(call.args, call.kwargs)),
            f"{label}: ",
        )
        for label, call in calls.items()
    }
    signatures = [program.graph_signature for program in programs.values()]
    inputs = [spec for signature in signatures for spec in signature.input_specs]
    outputs = [spec for signature in signatures for spec in signature.output_specs]
    shared = Shared(
        frozenset(str(s.target) for s in inputs if s.kind.name in ("PARAMETER", "BUFFER")),
        frozenset(str(s.target) for s in outputs if s.kind.name == "BUFFER_MUTATION"),
    )
    given = name or type(model).__name__
    return {
        label: read_exported(program, given, is_library_file, shared)
        for label, program in programs.items()
    }


def calling(module: torch.nn.Module, method: str) -> torch.nn.Module:
    """The module, over the same tensors, with one of its methods as `forward`."""
    if method == "forward":
        return module
    function: Any = getattr(type(module), method, None)
    if not callable(function):
        raise CaptureError(f"{type(module).__name__} has no method {method!r}")
    called = copy.copy(module)
    called.forward = MethodType(function, called)
    return called


def _need_torch() -> None:
    if importlib.util.find_spec("torch") is None:
        raise CaptureError(
            "capturing a model needs torch, which is not installed",
            help="pip install 'waferc[torch]'; compiled models run without it",
        )


def _decomposed(program: torch.export.ExportedProgram, where: str) -> torch.export.ExportedProgram:
    with _quiet(), _explained(f"{where}torch cannot decompose the model"):
        return program.run_decompositions(_decompositions())


def is_library_file(file: str) -> bool:
    """Whether a file is part of torch, waferc or Python itself, and so not the user's."""
    import torch

    if file.startswith("<"):
        return True
    own = [Path(path) for path in waferc.frontend.__path__]
    packages = [Path(torch.__file__).parent, *(path.parent for path in own)]
    path = Path(file)
    if any(path.is_relative_to(package) for package in packages):
        return True
    standard = path.is_relative_to(sysconfig.get_path("stdlib"))
    return standard and "site-packages" not in path.parts


def _example_inputs(
    args: object, kwargs: Mapping[str, object] | None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    sequence = cast("Sequence[Any]", args) if isinstance(args, (tuple, list)) else (args,)
    positional = tuple(_example(item, f"[{n}]") for n, item in enumerate(sequence))
    return positional, {key: _example(v, f"[{key!r}]") for key, v in (kwargs or {}).items()}


def _example(item: Any, path: str) -> Any:
    """An example input for torch: arrays become tensors, containers are walked."""
    import torch

    match item:
        case torch.Tensor():
            return item.detach()
        case np.ndarray() | np.generic():
            try:
                return torch.from_numpy(np.array(item, dtype=None))  # pyright: ignore
            except TypeError as problem:
                raise CaptureError(f"example input {path}: {problem}") from None
        case bool() | int() | float() | str() | None:
            return item
        case list() | tuple():
            entries = [_example(entry, f"{path}[{n}]") for n, entry in enumerate(item)]  # pyright: ignore
            if type(item) in (list, tuple):  # pyright: ignore
                return type(item)(entries)  # pyright: ignore
        case dict():
            return {key: _example(entry, f"{path}[{key!r}]") for key, entry in item.items()}  # pyright: ignore
        case _:
            pass
    raise CaptureError(
        f"example input {path} is of type {_kind(item)}",  # pyright: ignore
        help="give tensors, numbers, and lists, tuples or dicts of them",
    )


def _on_its_device(
    module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Example inputs, on the meta device if the module has its weights there."""
    import torch

    if not any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers())):
        return args, kwargs

    def moved(item: Any) -> Any:
        return item.to("meta") if isinstance(item, torch.Tensor) else item

    return torch.utils._pytree.tree_map(moved, (args, kwargs))  # pyright: ignore


def _export(
    module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> torch.export.ExportedProgram:
    import torch

    with _quiet(), _explained("torch cannot trace the model"), torch.no_grad():
        return torch.export.export(module, args, kwargs, strict=False)


def load_exported(path: Path) -> torch.export.ExportedProgram:
    """The exported program in a `.pt2` file; nothing is unpickled. Raises CaptureError."""
    import torch

    content = read_archive(path)
    try:
        with _quiet():
            return torch.export.load(content)
    except Exception as problem:  # torch raises whatever a damaged file leads it to
        raise CaptureError(
            f"{path} is damaged: {_first_line(problem)}", help="write it with torch.export.save"
        ) from None


def _decompositions() -> dict[Any, Callable[..., Any]]:
    import torch

    table = torch.export.default_decompositions()
    kept = set(KEPT)
    for operator in [o for o in table if str(o).removeprefix("aten.") in kept]:
        table.pop(operator)
    return table


@contextmanager
def _quiet() -> Generator[None]:
    """Silence torch, which warns about itself and prints partial graphs."""
    previous = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)


@contextmanager
def _explained(failure: str) -> Generator[None]:
    """Turns what torch or the user's forward raises into an error with the user's line."""
    try:
        yield
    except CaptureError:
        raise
    except Exception as problem:  # the user's own code runs in here
        at = _user_line(problem)
        if {kind.__name__ for kind in type(problem).__mro__} & set(_DATA_DEPENDENT):
            raise CaptureError(
                "control flow or a shape depends on the data in a tensor",
                at,
                help="select with torch.where, or decide outside of forward",
            ) from None
        raise CaptureError(
            f"{failure}: {type(problem).__name__}: {_first_line(problem)}", at
        ) from None


def _user_line(problem: BaseException) -> Location | None:
    """The innermost line of the user's code that led to an exception."""
    found = None
    for frame in traceback.extract_tb(problem.__traceback__):
        if not is_library_file(frame.filename) and frame.lineno is not None:
            found = place(frame.filename, frame.lineno, (frame.line or "").strip())
    return found


def _first_line(problem: BaseException) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return lines[0] if lines else "no message"


def _kind(item: object) -> str:
    return type(item).__name__
