"""Which file a path in `@import_module` or `@set_tile_code` names.

`"folder/file.csl"` lies beside the file that names it. `"<name>"` is a library of ours, or else
a file `name` or `name.csl` in one of the import paths, which are folders of the program's sources.
What CSL cannot say is in native libraries, which are no files.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType

NATIVE_LIBRARIES: Mapping[str, str] = MappingProxyType(
    {
        "<layout>": "layout",
        "<simprint>": "simprint",
        "<memcpy/get_params>": "memcpy_params",
        "<native/debug>": "debug",
        "<native/math>": "math",
        "<native/memcpy>": "memcpy",
        "<native/random>": "random",
        "<native/tasks>": "tasks",
        "<native/time>": "time",
    }
)
INTERNAL = "<native/"  # for libraries of ours only

_NAME = re.compile(r"[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*")
_ROOT = resources.files("waferc_runtime") / "library"


def is_library(file: str) -> bool:
    """Whether a file found by `find` is a library of ours; those are called `<name>`."""
    return file.startswith("<")


@cache
def library_text(file: str) -> str | None:
    """The text of the library file called `<name>`, or None if there is none."""
    name = file[1:-1]
    if not _NAME.fullmatch(name):
        return None
    path = _ROOT.joinpath(*f"{name}.csl".split("/"))
    return path.read_text(encoding="utf-8") if path.is_file() else None


@cache
def library_names() -> tuple[str, ...]:
    """All libraries of ours, as they are imported."""
    native = [name for name in NATIVE_LIBRARIES if not name.startswith(INTERNAL)]
    return tuple(sorted([*native, *(f"<{name}>" for name in _names(_ROOT, ""))]))


def _names(folder: Traversable, prefix: str) -> list[str]:
    names: list[str] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            names += _names(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".csl"):
            names.append(prefix + entry.name.removesuffix(".csl"))
    return names


def find(
    path: str, importer: str, sources: Mapping[str, str], import_paths: Sequence[str]
) -> str | None:
    """The name of the file that `path`, written in the file `importer`, means; None: no such file.

    A relative path is not looked up: whoever reads the file says that it is not there.
    """
    if not path.startswith("<"):
        return posixpath.normpath(posixpath.join(posixpath.dirname(importer), path))
    name = path[1:].removesuffix(">")
    library = f"<{name.removesuffix('.csl')}>"
    if library_text(library) is not None:
        return library
    for folder in import_paths:
        for file in (name, f"{name}.csl"):
            candidate = posixpath.normpath(posixpath.join(folder, file))
            if candidate in sources:
                return candidate
    return None
