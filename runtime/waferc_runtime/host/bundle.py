"""A bundle: CSL sources, manifest and weights, read from a folder or made of parts in memory."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from waferc_ir.diagnostics import Location, collect
from waferc_ir.dtypes import DType
from waferc_runtime.host.contents import Bundle
from waferc_runtime.host.joined import folders, is_joined, join
from waferc_runtime.host.json_fields import BundleError
from waferc_runtime.host.manifest import MANIFEST, Manifest, parse_document, read_manifest

WEIGHTS = "weights.safetensors"
_LARGEST_SOURCE_BYTES = 64 * 2**20
Array = NDArray[Any]


def make_bundle(
    document: Mapping[str, object], sources: Mapping[str, str], weights: Mapping[str, Array]
) -> Bundle:
    """A bundle out of its parts, under the same checks as one that is read from a folder.

    Raises:
        BundleError: a field of the manifest is wrong, or weights are missing or of another shape.
    """
    manifest = read_manifest(dict(document))
    bundle = Bundle(manifest, dict(sources), _checked_weights(manifest, weights, WEIGHTS))
    if bundle.layout not in sources:
        raise BundleError(f"there is no layout file {bundle.layout}", Location(MANIFEST, 1))
    return bundle


def read_bundle(folder: str | Path) -> Bundle:
    """The bundle in `folder`, for one wafer or several.

    Nothing outside the folder is read, nothing is unpickled.

    Raises:
        BundleError: the folder is not a bundle, or a file is missing or damaged.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise BundleError(
            f"{folder} is not a folder", help="give a folder that `waferc compile -o` wrote"
        )
    shown = str(root / MANIFEST)
    document = parse_document(_text(root, MANIFEST), shown)
    if is_joined(document):
        parts = [_inside(root, name) for name in folders(document, shown)]
        return join(document, [_read_one(part, _document(part)) for part in parts], shown)
    return _read_one(root, document)


def _document(root: Path) -> object:
    if not root.is_dir():
        raise BundleError(f"there is no folder {root.name}", Location(str(root.parent), 1))
    return parse_document(_text(root, MANIFEST), str(root / MANIFEST))


def _read_one(root: Path, document: object) -> Bundle:
    """The bundle of one wafer."""
    manifest = read_manifest(document, str(root / MANIFEST))
    layout = PurePosixPath(manifest.layout)
    # the layout file first: when it is missing, that is the complaint
    sources = {layout.name: _text(root, manifest.layout)}
    for file in sorted(_inside(root, str(layout.parent)).rglob("*.csl")):
        relative = file.relative_to(root)
        key = PurePosixPath(relative.as_posix()).relative_to(layout.parent).as_posix()
        sources[key] = _text(root, relative.as_posix())
    weights: Mapping[str, Array] = {}
    if manifest.state:
        weights = _weights(root, manifest)
    return Bundle(manifest, sources, weights)


def read_file(folder: str | Path, name: str) -> str:
    """The text of a further file of the bundle in `folder`. Raises BundleError."""
    return _text(Path(folder).resolve(), name)


def write_bundle(bundle: Bundle, folder: str | Path, extra: Mapping[str, bytes]) -> None:
    """Write the bundle to `folder`, whole or not at all; a bundle that is there is replaced.

    `extra` are further files by name. Raises BundleError if the folder cannot be written or
    holds anything but a bundle.
    """
    files = {**_files(bundle), **extra}
    target = Path(folder).absolute()
    if target.exists() and not _replaceable(target):
        raise BundleError(
            f"{folder} exists and is not a bundle", help="give another folder, or empty it"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
            made = Path(scratch) / "bundle"
            for name, content in files.items():
                path = made / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            if target.exists():
                target.replace(Path(scratch) / "previous")
            made.replace(target)
    except OSError as problem:
        raise BundleError(
            f"cannot write {folder}: {(problem.strerror or str(problem)).lower()}",
            help="give a folder that can be written, with `-o`",
        ) from None


def _files(bundle: Bundle) -> dict[str, bytes]:
    """The files of a bundle by name; those of its wafers in folders."""
    document = json.dumps(bundle.manifest.document, indent=1) + "\n"
    files: dict[str, bytes] = {MANIFEST: document.encode()}
    if bundle.wafers:
        names = folders(bundle.manifest.document)
        for name, wafer in zip(names, bundle.wafers, strict=True):
            files |= {f"{name}/{file}": content for file, content in _files(wafer).items()}
        return files
    arrays = {label: np.asarray(array, order="C") for label, array in bundle.weights.items()}
    files[WEIGHTS] = save_safetensors(arrays)
    parent = PurePosixPath(bundle.manifest.layout).parent
    sources = bundle.sources.items()
    return files | {(parent / name).as_posix(): text.encode() for name, text in sources}


def _replaceable(folder: Path) -> bool:
    return folder.is_dir() and ((folder / MANIFEST).is_file() or not any(folder.iterdir()))


def _inside(root: Path, relative: str) -> Path:
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        raise BundleError(f"{relative} leads out of the bundle", Location(str(root), 1))
    return path


def _text(root: Path, relative: str) -> str:
    content = _content(root, relative, _LARGEST_SOURCE_BYTES)
    try:
        return content.decode()
    except UnicodeDecodeError as problem:
        raise BundleError(
            f"{relative} is not UTF-8 text: byte {problem.start:,}",
            Location(str(root / relative), 1),
        ) from None


def _content(root: Path, relative: str, most_bytes: int) -> bytes:
    path = _inside(root, relative)
    shown = str(root / relative)
    try:
        size_bytes = path.stat().st_size
        if size_bytes > most_bytes:
            raise BundleError(
                f"{relative} has {size_bytes:,} bytes; at most {most_bytes:,} are read",
                Location(shown, 1),
            )
        if not path.is_file():
            raise BundleError(f"{relative} is not a file", Location(shown, 1))
        return path.read_bytes()
    except OSError as problem:
        raise BundleError(
            f"cannot read {relative}: {(problem.strerror or str(problem)).lower()}",
            Location(shown, 1),
            help="a bundle is a folder that `waferc compile -o` wrote",
        ) from None


def _weights(root: Path, manifest: Manifest) -> Mapping[str, Array]:
    # a whole tensor cannot be larger than what the wafer holds of it
    most_bytes = manifest.width * manifest.height * manifest.machine.sram_bytes + 2**24
    content = _content(root, WEIGHTS, most_bytes)
    shown = str(root / WEIGHTS)
    try:
        found = load_safetensors(content)
    except (SafetensorError, ValueError, KeyError, TypeError, MemoryError) as problem:
        raise BundleError(
            f"{WEIGHTS} is damaged: {str(problem).partition(chr(10))[0] or 'unreadable'}",
            Location(shown, 1),
            help="compile the model again",
        ) from None
    return _checked_weights(manifest, found, shown)


def _checked_weights(
    manifest: Manifest, found: Mapping[str, Array], file: str
) -> Mapping[str, Array]:
    problems: list[BundleError] = []
    for placement in manifest.state:
        array = found.get(placement.label)
        if array is None and placement.label in manifest.without_data:
            continue
        if array is None:
            problems.append(
                BundleError(f"weight {placement.label!r} is missing", Location(file, 1))
            )
            continue
        wanted = np.dtype(placement.dtype.numpy)
        if array.shape != placement.shape or array.dtype != wanted:
            problems.append(
                BundleError(
                    f"weight {placement.label!r} is {show(array)}, "
                    f"and the manifest says {shape_text(placement.shape, placement.dtype)}",
                    Location(file, 1),
                )
            )
    error = collect(problems)
    if error is not None:
        raise error
    labels = [p.label for p in manifest.state if p.label not in manifest.without_data]
    return {label: found[label] for label in labels}


def show(array: Array) -> str:
    """Shape and element type of an array, such as `4x8 float32`."""
    return f"{'x'.join(map(str, array.shape)) or 'scalar'} {array.dtype}"


def shape_text(shape: tuple[int, ...], dtype: DType) -> str:
    """Shape and NumPy element type, in the same words as `show`."""
    return f"{'x'.join(map(str, shape)) or 'scalar'} {np.dtype(dtype.numpy)}"
