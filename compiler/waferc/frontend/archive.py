"""Makes a `.pt2` file safe to load: checks it entry by entry and leaves out what is pickled.

torch.export.load unpickles example inputs and, in some files, weights; it evaluates symbolic
shape expressions as Python text and resolves operator names to any function of the torch package.
None of this is needed for a model with static shapes and plain weights, so that such entries are
dropped (example inputs, guards) or refused before torch sees the file.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from waferc.frontend.captured import CaptureError

_TARGET = re.compile(r"torch\.ops\.(aten|higher_order)\.\w+(\.\w+)?|_operator\.getitem")
_MODEL = re.compile(r"models/[\w.-]+\.json")
_CONFIG = re.compile(r"data/(weights|constants)/[\w.-]+_config\.json")
_WEIGHT = re.compile(r"data/(weights/weight|constants/tensor)_\d+")
_SAMPLE = re.compile(r"data/sample_inputs/[\w.-]+\.pt")
_PLAIN = re.compile(r"archive_format|archive_version|byteorder|\.data/\w+")
_SYMBOLIC = re.compile(r"as_expr|as_sym_\w+")
_FOREIGN = ("as_custom_obj", "as_operator")
MAXIMUM_JSON_BYTES = 1 << 28


def read_archive(path: Path) -> io.BytesIO:
    """The content of an exported program file, without anything that would be unpickled.

    Raises:
        CaptureError: the file cannot be read, is no exported program, is damaged, or holds
            entries that only unpickling or evaluating Python text could load.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _copy(path, archive)
    except FileNotFoundError:
        raise CaptureError(f"there is no file {path}") from None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as problem:
        raise CaptureError(
            f"{path} is no exported program, or is damaged: {problem}",
            help="write it with torch.export.save",
        ) from None
    except OSError as problem:
        raise CaptureError(f"cannot read {path}: {problem.strerror or problem}") from None


def _copy(path: Path, archive: zipfile.ZipFile) -> io.BytesIO:
    names = archive.namelist()
    root = names[0].split("/", 1)[0] if names else ""
    if f"{root}/archive_format" not in names or archive.read(f"{root}/archive_format") != b"pt2":
        raise CaptureError(f"{path} is no exported program", help="write it with torch.export.save")
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as safe:
        for info in archive.infolist():
            entry = info.filename.removeprefix(f"{root}/")
            if info.compress_type != zipfile.ZIP_STORED:
                raise _refuse(path, entry, "is compressed, which torch.export.save never does")
            if _SAMPLE.fullmatch(entry):
                safe.writestr(info.filename, b"")
            elif _MODEL.fullmatch(entry):
                safe.writestr(info.filename, _model(path, entry, _json(path, archive, info)))
            elif _CONFIG.fullmatch(entry):
                content = _json(path, archive, info)
                _check_config(path, entry, content)
                safe.writestr(info.filename, json.dumps(content))
            elif _WEIGHT.fullmatch(entry) or _PLAIN.fullmatch(entry):
                safe.writestr(info.filename, archive.read(info))
            else:
                raise _refuse(path, entry, "is none that a plain exported program has")
    output.seek(0)
    return output


def _json(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> dict[str, Any]:
    if info.file_size > MAXIMUM_JSON_BYTES:
        raise _refuse(path, info.filename, f"has {info.file_size:,} bytes")
    try:
        content: Any = json.loads(archive.read(info))
    except (ValueError, RecursionError) as problem:
        raise _refuse(path, info.filename, f"is damaged: {problem}") from None
    if not isinstance(content, dict):
        raise _refuse(path, info.filename, "is damaged")
    return content  # pyright: ignore[reportUnknownVariableType]


def _check_config(path: Path, entry: str, content: dict[str, Any]) -> None:
    for mapping in _mappings(content):
        if mapping.get("use_pickle"):
            raise _refuse(path, entry, "has pickled tensors, which are never loaded")
        name: Any = mapping.get("path_name")
        if name is not None and not re.fullmatch(r"(weight|tensor)_\d+", str(name)):
            raise _refuse(path, entry, f"names an object {name} that only unpickling could load")
        if any(_SYMBOLIC.fullmatch(key) for key in mapping):
            raise _refuse(path, entry, "has symbolic sizes")


def _model(path: Path, entry: str, content: dict[str, Any]) -> str:
    """The program's text without guards; they are Python source, and shapes are static here."""
    for mapping in _mappings(content):
        if mapping.get("range_constraints") or any(
            content and _SYMBOLIC.fullmatch(key) for key, content in mapping.items()
        ):
            raise CaptureError(
                f"{path} has dynamic shapes",
                help="export with static shapes, one file per shape",
            )
        for key in _FOREIGN:
            if mapping.get(key):
                raise _refuse(path, entry, f"has an argument of kind {key}")
        target = mapping.get("target")
        if isinstance(target, str) and "inputs" in mapping and not _TARGET.fullmatch(target):
            raise _refuse(path, entry, f"calls {target}, which is no ATen operator")
        for key in ("in_spec", "out_spec"):
            if re.search(r"__enum__|default_factory", str(mapping.get(key, ""))):
                raise _refuse(path, entry, "has Python objects in its input or output structure")
    return json.dumps({**content, "guards_code": []})


def _mappings(content: Any) -> Iterator[dict[str, Any]]:
    """Every dict inside a JSON value; an explicit stack, as files may nest deeply."""
    stack: list[Any] = [content]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            stack.extend(item.values())  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(item, list):
            stack.extend(item)  # pyright: ignore[reportUnknownArgumentType]


def _refuse(path: Path, entry: str, why: str) -> CaptureError:
    return CaptureError(
        f"{path}: entry {entry} {why}",
        help="export the module anew with torch.export.save, or compile the nn.Module itself",
    )
