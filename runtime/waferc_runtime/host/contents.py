"""What a bundle holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from numpy.typing import NDArray

from waferc_runtime.host.manifest import Manifest

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Link:
    """A value that the host takes from wafer `source` to a later one, in calls of an entry.

    It is an output of the one and an input of the other.
    """

    entry: str
    label: str
    source: int
    target: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """A compiled model. `sources` are keyed by path relative to the layout file's folder.

    `weights` lacks those that the manifest says are without data: such a bundle can be measured,
    and not run. A model on several wafers has a bundle for each in `wafers`, and no sources of its
    own; `links` tell what goes from one to another (`waferc_runtime.host.joined`).
    """

    manifest: Manifest
    sources: Mapping[str, str]
    weights: Mapping[str, Array]
    wafers: tuple[Bundle, ...] = ()
    links: tuple[Link, ...] = ()

    @property
    def layout(self) -> str:
        """Key of the layout file in `sources`."""
        return PurePosixPath(self.manifest.layout).name
