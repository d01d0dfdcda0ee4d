"""Wafers by the folder of their program, for `debug_util`, which is given nothing but a folder.

The vendor's debugger reads a core file that the simulator leaves in the working folder. Here it
asks the wafer itself, as long as the process lives.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from waferc_runtime.host.artifact import Artifact
from waferc_runtime.host.engines import Engine
from waferc_runtime.host.errors import HostError


@dataclass(frozen=True, slots=True)
class Wafer:
    """A program and the engine that ran it last."""

    artifact: Artifact
    engine: Engine


class Wafers:
    """The last wafer of each folder."""

    def __init__(self) -> None:
        self._wafers: dict[Path, Wafer] = {}

    def remember(self, folder: Path, wafer: Wafer) -> None:
        """Keep `wafer` as the last one of `folder`."""
        self._wafers[folder.resolve()] = wafer

    def of(self, folder: Path) -> Wafer:
        """The last wafer of a folder.

        Raises:
            HostError: this process has run none.
        """
        wafer = self._wafers.get(folder.resolve())
        if wafer is None:
            raise HostError(
                f"no program of {folder} has run in this process",
                help="use debug_util in the script that ran it, after SdkRuntime.load()",
            )
        return wafer


WAFERS = Wafers()
