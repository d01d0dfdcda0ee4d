"""CSL files on disk as the front end wants them: by name, read when first asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from waferc_runtime.host.errors import HostError

_LARGEST_SOURCE_BYTES = 64 * 2**20


class FolderSources(Mapping[str, str]):
    """Files by path relative to `folder`; `..` leads out of it, as imports of CSL may.

    `used` are the files that were asked for and are there, and `given` ones that are in no folder.
    Iteration lists the CSL files of `folder` itself, for suggestions.

    Raises:
        HostError: a file that is asked for cannot be read, or is not UTF-8 text.
    """

    def __init__(self, folder: Path, given: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self.used: dict[str, str] = dict(given or {})

    def __getitem__(self, name: str) -> str:
        if name not in self.used:
            path = Path(os.path.normpath(self._folder / name))
            if not path.is_file():
                raise KeyError(name)
            self.used[name] = _text(path, name)
        return self.used[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(path.name for path in self._folder.glob("*.csl")))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _text(path: Path, name: str) -> str:
    try:
        size = path.stat().st_size
        if size > _LARGEST_SOURCE_BYTES:
            raise HostError(
                f"{name} has {size:,} bytes; at most {_LARGEST_SOURCE_BYTES:,} are read"
            )
        return path.read_text(encoding="utf-8")
    except OSError as problem:
        raise HostError(f"cannot read {name}: {problem.strerror or problem}") from None
    except UnicodeDecodeError as problem:
        raise HostError(f"{name} is not UTF-8 text: byte {problem.start:,}") from None
