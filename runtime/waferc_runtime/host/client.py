"""The vendor's appliance-style client: a compiler and a runtime for scripts, both local here."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import TracebackType
from typing import Self

from waferc_runtime.host.artifact import compile_artifact, write_artifact
from waferc_runtime.host.cslc_options import parse_cslc
from waferc_runtime.host.errors import HostError
from waferc_runtime.host.sdk import SdkRuntime

__all__ = ["SdkCompiler", "SdkLauncher", "SdkRuntime"]


class SdkCompiler:
    """`with SdkCompiler() as compiler:`; options of the vendor's cluster mean nothing here."""

    def __init__(self, **options: object) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def compile(self, app_path: str, csl_main: str, options: str, out_path: str = ".") -> str:
        """Compile `csl_main` in the folder `app_path`, as `cslc` with `options` would.

        Returns the folder that `SdkRuntime` takes; `-o` of the options is a folder in `out_path`.

        Raises:
            WaferError: the CSL or an option is wrong.
        """
        parsed = parse_cslc([csl_main, *shlex.split(options)])
        artifact, elaborated = compile_artifact(parsed, Path(app_path))
        folder = Path(out_path) / parsed.output
        write_artifact(artifact, elaborated, folder)
        return str(folder)


class SdkLauncher:
    """Commands on the vendor's cluster. There is none here."""

    def __init__(self, *arguments: object, **options: object) -> None:
        raise HostError(
            "there is no cluster to launch commands on",
            help="run the script itself, with `waferc sdk -- cs_python SCRIPT`",
        )
