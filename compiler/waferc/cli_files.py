"""Files that the command line reads and writes: models, arrays, programs, weights."""

from __future__ import annotations

import importlib.util
import re
import sys
import tempfile
import traceback
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors

from waferc.compiled import positional
from waferc_ir.diagnostics import Location, WaferError

Array = NDArray[Any]
_DTYPES: Mapping[str, str] = {
    "f32": "float32", "f16": "float16", "i64": "int64", "i32": "int32", "i16": "int16",
    "bool": "bool",
}  # fmt: skip
_SHAPE = re.compile(r"(?:\d{1,9}x){0,16}(f32|f16|i64|i32|i16|bool)\Z")


class ModelError(WaferError):
    """The user's module cannot be run, or does not yield a model."""

    code = "model"


class FileError(WaferError):
    """A file cannot be read or written, or is not of the form it should be."""

    code = "file"


@dataclass(frozen=True, slots=True)
class GivenModel:
    """What the command line was given: a model or a `.pt2` path, and example inputs if any.

    `entries` are example inputs by entry, instead of `inputs`.
    """

    model: object
    inputs: tuple[Any, ...] | None
    entries: Mapping[str, object] | None = None


def load_model(text: str) -> GivenModel:
    """The model that `MODULE.py:FACTORY` or `FILE.pt2` names.

    The module is run as Python, with its folder first on the import path.

    Raises:
        ModelError: there is no such file or factory, or the user's code raised an exception.
    """
    if text.endswith(".pt2"):
        return GivenModel(Path(text), None)
    file, colon, factory_name = text.rpartition(":")
    if not colon or not file.endswith(".py"):
        raise ModelError(
            f"{text!r} is no model", help="write MODULE.py:FACTORY, or the path of a .pt2 file"
        )
    path = Path(file)
    if not path.is_file():
        raise ModelError(f"there is no file {file}")
    return _given(_call(path, factory_name))


def _given(made: Any) -> GivenModel:
    """What a factory returned: a model, or a model and its example inputs."""
    if isinstance(made, tuple):
        parts = cast("tuple[Any, ...]", made)
        if len(parts) == 2 and isinstance(parts[1], dict):
            return GivenModel(parts[0], None, cast("dict[str, object]", parts[1]))
        if len(parts) == 2:
            return GivenModel(parts[0], positional(parts[1]))
        raise ModelError(
            f"the factory returned {len(parts)} things",
            help="return a model, (model, inputs), or (model, {entry: inputs})",
        )
    return GivenModel(made, None)


def _call(path: Path, factory_name: str) -> object:
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
        members = vars(module)
        if factory_name not in members or not callable(members[factory_name]):
            own = [n for n, v in members.items() if callable(v) and v.__module__ == name]
            raise ModelError(
                f"{path} has no factory {factory_name!r}", help=f"it defines {', '.join(own)}"
            )
        return members[factory_name]()
    except ModelError:
        raise
    except Exception as problem:  # the user's own code
        raise ModelError(
            f"{path} raised {type(problem).__name__}: {problem}", _user_line(problem, path)
        ) from None
    finally:
        sys.path.remove(str(path.resolve().parent))


def _user_line(problem: Exception, path: Path) -> Location | None:
    if isinstance(problem, SyntaxError) and problem.lineno is not None:
        return Location(
            str(path), problem.lineno, problem.offset or 1, text=(problem.text or "").rstrip()
        )
    for frame in reversed(traceback.extract_tb(problem.__traceback__)):
        if Path(frame.filename) == path and frame.lineno is not None:
            text = frame.line or ""
            return Location(str(path), frame.lineno, 1, max(1, len(text)), text)
    return None


def example_input(text: str) -> Array:
    """Zeros of the shape and type written as `1x784xf32`.

    Raises:
        FileError: the text is not of that form.
    """
    if not _SHAPE.match(text):
        raise FileError(
            f"{text!r} is no shape and type",
            help=f"write extents and a type, such as 1x784xf32; types: {', '.join(_DTYPES)}",
        )
    *extents, dtype = text.split("x")
    return np.zeros([int(extent) for extent in extents], _DTYPES[dtype])


def read_arrays(path: Path) -> dict[str, Array]:
    """The arrays of an `.npz` file by name; nothing is unpickled. Raises FileError."""
    try:
        with path.open("rb") as file:  # np.load leaves files that it cannot read open
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise FileError(
                    f"{path} is one array, not an .npz file", help="write it with np.savez"
                )
            with loaded:
                return {name: loaded[name] for name in loaded.files}
    except OSError as problem:
        raise FileError(f"cannot read {path}: {problem.strerror or problem}") from None
    except (ValueError, EOFError, KeyError, MemoryError, zipfile.BadZipFile) as problem:
        reason = str(problem).partition("\n")[0] or type(problem).__name__
        raise FileError(
            f"{path} is damaged, or holds Python objects: {reason}", help="write it with np.savez"
        ) from None


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays to an `.npz` file, whole or not at all. Raises FileError."""
    _write(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all. Raises FileError."""
    _write(path, lambda file: file.write(text.encode()))


def _write(path: Path, content: Callable[[IO[bytes]], object]) -> None:
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.absolute().parent, prefix=f".{path.name}.", delete=False
        ) as file:
            scratch = Path(file.name)
            try:
                content(file)
                file.flush()
                scratch.chmod(0o644)  # others may read it, as they may other files
                scratch.replace(path)
            except BaseException:
                scratch.unlink(missing_ok=True)
                raise
    except OSError as problem:
        raise FileError(f"cannot write {path}: {problem.strerror or problem}") from None


def read_text(name: str) -> tuple[str, str]:
    """Name and text of a program file; `-` is standard input. Raises FileError."""
    try:
        if name == "-":
            return "<stdin>", sys.stdin.read()
        return name, Path(name).read_text(encoding="utf-8")
    except OSError as problem:
        raise FileError(f"cannot read {name}: {problem.strerror or problem}") from None
    except UnicodeDecodeError as problem:
        raise FileError(f"{name} is not UTF-8 text: byte {problem.start:,}") from None


class MissingWeights(Mapping[str, Array]):
    """Stands for the data of parameters that nobody gave: an error for the pass that asks."""

    def __getitem__(self, label: str) -> Array:
        raise FileError(
            f"a pass needs the data of parameter {label!r}",
            help="give it with --weights W.safetensors, or leave the pass out",
        )

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def read_weights(path: Path | None) -> Mapping[str, Array]:
    """The tensors of a safetensors file by label. Raises FileError."""
    if path is None:
        return MissingWeights()
    try:
        return load_safetensors(path.read_bytes())
    except OSError as problem:
        raise FileError(f"cannot read {path}: {problem.strerror or problem}") from None
    except (SafetensorError, ValueError, KeyError, TypeError) as problem:
        raise FileError(f"{path} is no safetensors file, or is damaged: {problem}") from None
