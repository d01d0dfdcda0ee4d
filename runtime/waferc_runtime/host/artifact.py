"""What `cslc` leaves for `SdkRuntime`: a folder with the sources that were used and the options.

`waferc.json` holds all that elaboration needs, as text; `out.json` and the dummy `bin/out_*.elf`
are what host scripts look for. Loading runs no code of the folder and unpickles nothing.
"""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import Location
from waferc_ir.machine import Arch, Machine, machine
from waferc_runtime.csl.core import Elaborated
from waferc_runtime.csl.elaborate import elaborate
from waferc_runtime.host.bundle import read_bundle
from waferc_runtime.host.cslc_options import CslcOptions
from waferc_runtime.host.elements import memory_to_values
from waferc_runtime.host.errors import HostError
from waferc_runtime.host.json_fields import BundleError, Field
from waferc_runtime.host.manifest import MANIFEST
from waferc_runtime.host.sources import FolderSources

ARTIFACT = "waferc.json"
_FORMAT = "waferc-csl"
_LARGEST_BYTES = 256 * 2**20
_LARGEST_INTEGER = 2**64
_FARTHEST = 10_000  # PEs from an edge


@dataclass(frozen=True, slots=True)
class Artifact:
    """A CSL program with its params bound. `offsets` is where its PE (0, 0) is on the fabric.

    `is_layout` says that `SdkLayout` made it; then it may have `streams`, whose colors no router
    has, and `data` that variables hold at first.
    """

    sources: Mapping[str, str]
    layout: str
    machine: Machine
    params: Mapping[str, int]
    colors: Mapping[str, int]
    import_paths: tuple[str, ...] = ()
    offsets: tuple[int, int] = (4, 1)
    streams: tuple[Stream, ...] = ()
    data: tuple[InitialData, ...] = ()
    is_layout: bool = False

    def elaborate(self) -> Elaborated:
        """The core program.

        Raises:
            WaferError: the CSL is wrong, or data is given to a variable that is not there.
        """
        params = {**self.params, **self.colors}
        program = elaborate(self.sources, self.layout, self.machine, params, self.import_paths)
        for data in self.data:
            data.enter(program)
        ways = {way: {s.color for s in self.streams if s.is_input is way} for way in (True, False)}
        program.host_inputs = program.host_inputs | ways[True]
        program.host_outputs = program.host_outputs | ways[False]
        return program


@dataclass(frozen=True, slots=True)
class Stream:
    """A port between host and PE (x, y) of the program rectangle."""

    name: str
    is_input: bool
    color: int
    x: int
    y: int


@dataclass(frozen=True, slots=True, eq=False)
class InitialData:
    """What variable `name` holds at first on the PEs from (x, y) on: words [h, w, n] of memory."""

    name: str
    x: int
    y: int
    words: NDArray[np.uint16]

    def enter(self, program: Elaborated) -> None:
        """Make it the initial value in a program.

        Raises:
            HostError: a PE has no such variable, or it has another size.
        """
        height, width, count = self.words.shape
        for pes in program.classes:
            x, y = pes.x - self.x, pes.y - self.y
            inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
            if not inside.any():
                continue
            variable = pes.symbols.get(self.name)
            if variable is None:
                raise HostError(
                    f"{pes.file} has no variable {self.name!r}",
                    help=f"it has {', '.join(pes.symbols)}" if pes.symbols else None,
                )
            if variable.element.words * variable.count != count:
                raise HostError(
                    f"{self.name} of {pes.file} has {variable.element.words * variable.count} "
                    f"words of 16 bits, and is given {count}"
                )
            element = variable.element
            values = memory_to_values(self.words[y[inside], x[inside]], element).T  # [count, pe]
            before = np.zeros((variable.count, len(x)), element.numpy)
            if variable.initial is not None:
                given = np.asarray(variable.initial)
                before[:] = given if given.ndim != 1 else given[:, None]
            before[:, inside] = values
            variable.initial = before


def compile_artifact(options: CslcOptions, folder: Path) -> tuple[Artifact, Elaborated]:
    """What `cslc` does, started in `folder`, but for writing.

    Raises:
        WaferError: the CSL is wrong, a file is missing, or the program does not fit the fabric.
    """
    sources = FolderSources(folder)
    layout = os.path.normpath(options.layout)
    if layout not in sources:
        raise HostError(f"there is no file {options.layout}")
    artifact = Artifact(
        sources,
        layout,
        machine(options.arch),
        options.params,
        options.colors,
        options.import_paths,
        options.offsets,
    )
    elaborated = artifact.elaborate()
    options.check_fabric(elaborated.width, elaborated.height)
    return replace(artifact, sources=dict(sources.used)), elaborated


def write_artifact(artifact: Artifact, elaborated: Elaborated, folder: Path) -> None:
    """Write what `read_artifact` reads, and what host scripts look for, to `folder`.

    Raises:
        HostError: the folder cannot be written.
    """
    document = {
        "format": _FORMAT,
        "version": 1,
        "arch": artifact.machine.arch,
        "layout": artifact.layout,
        "params": dict(artifact.params),
        "colors": dict(artifact.colors),
        "import_paths": list(artifact.import_paths),
        "offsets": list(artifact.offsets),
        "streams": [
            {"name": s.name, "is_input": int(s.is_input), "color": s.color, "x": s.x, "y": s.y}
            for s in artifact.streams
        ],
        "data": [
            {
                "name": d.name,
                "x": d.x,
                "y": d.y,
                "shape": list(d.words.shape),
                "words": base64.b64encode(d.words.astype("<u2").tobytes()).decode("ascii"),
            }
            for d in artifact.data
        ],
        "is_layout": int(artifact.is_layout),
        "sources": dict(artifact.sources),
    }
    colors = {**elaborated.color_names, **artifact.colors}
    summary = {
        "params": {name: str(value) for name, value in artifact.params.items()},
        "colors": {name: str(value) for name, value in colors.items()},
        "width": elaborated.width,
        "height": elaborated.height,
    }
    try:
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        for old in (folder / "bin").glob("out_*.elf"):
            old.unlink()
        for number in range(len(elaborated.classes)):
            (folder / "bin" / f"out_{number}.elf").write_text(_NO_ELF, encoding="utf-8")
        (folder / "out.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
        (folder / ARTIFACT).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    except OSError as problem:
        raise HostError(
            f"cannot write {folder}: {(problem.strerror or str(problem)).lower()}"
        ) from None


_NO_ELF = "stands for the code of one kind of PE; the virtual wafer runs the CSL in waferc.json\n"


def read_artifact(folder: str | os.PathLike[str]) -> Artifact:
    """The program in `folder`: written by `cslc`, or a bundle of `waferc compile`.

    Raises:
        WaferError: there is none, or it is damaged.
    """
    root = Path(folder)
    path = root / ARTIFACT
    if not path.is_file():
        if (root / MANIFEST).is_file():
            bundle = read_bundle(root)
            return Artifact(bundle.sources, bundle.layout, bundle.manifest.machine, {}, {})
        raise HostError(
            f"{root} holds no compiled program",
            help="compile one with `cslc layout.csl -o DIR`, or `waferc compile -o DIR`",
        )
    try:
        size = path.stat().st_size
        if size > _LARGEST_BYTES:
            raise HostError(f"{path} has {size:,} bytes; at most {_LARGEST_BYTES:,} are read")
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise HostError(f"cannot read {path}: {problem.strerror or problem}") from None
    except (ValueError, RecursionError) as problem:
        at = Location(str(path), getattr(problem, "lineno", 1))
        raise BundleError("this is not JSON text", at) from None
    return _artifact(Field(content, "", str(path)))


def _artifact(document: Field) -> Artifact:
    fields = document.mapping(
        (
            "format", "version", "arch", "layout", "params", "colors", "import_paths", "offsets",
            "streams", "data", "is_layout", "sources",
        )
    )  # fmt: skip
    fields["format"].one_of((_FORMAT,))
    fields["version"].integer(1, 1)
    arch = cast("Arch", fields["arch"].one_of(("wse2", "wse3")))
    offsets = [item.integer(-_FARTHEST, _FARTHEST) for item in fields["offsets"].items(2)]
    if len(offsets) != 2:
        raise fields["offsets"].error("has not two items")
    return Artifact(
        _sources(fields["sources"]),
        fields["layout"].text(),
        machine(arch),
        _integers(fields["params"]),
        _integers(fields["colors"]),
        tuple(item.text() for item in fields["import_paths"].items(1_000)),
        (offsets[0], offsets[1]),
        tuple(_stream(item) for item in fields["streams"].items(100_000)),
        tuple(_data(item) for item in fields["data"].items(100_000)),
        fields["is_layout"].integer(0, 1) == 1,
    )


def _stream(field: Field) -> Stream:
    parts = field.mapping(("name", "is_input", "color", "x", "y"))
    return Stream(
        parts["name"].text(),
        parts["is_input"].integer(0, 1) == 1,
        parts["color"].integer(0, 63),
        parts["x"].integer(0, _FARTHEST),
        parts["y"].integer(0, _FARTHEST),
    )


def _data(field: Field) -> InitialData:
    parts = field.mapping(("name", "x", "y", "shape", "words"))
    shape = [item.integer(0, _LARGEST_BYTES) for item in parts["shape"].items(3)]
    text = parts["words"].value
    try:
        raw = base64.b64decode(text if isinstance(text, str) else "", validate=True)
    except ValueError:
        raise parts["words"].error("is not base64") from None
    if len(shape) != 3 or len(raw) != 2 * math.prod(shape):
        raise parts["words"].error("has not the size that its shape says")
    return InitialData(
        parts["name"].text(),
        parts["x"].integer(0, _FARTHEST),
        parts["y"].integer(0, _FARTHEST),
        np.frombuffer(raw, "<u2").astype(np.uint16).reshape(shape),
    )


def _integers(field: Field) -> dict[str, int]:
    return {
        name: child.integer(-_LARGEST_INTEGER, _LARGEST_INTEGER)
        for name, child in field.mapping((), _names(field)).items()
    }


def _sources(field: Field) -> dict[str, str]:
    sources: dict[str, str] = {}
    for name, child in field.mapping((), _names(field)).items():
        if not isinstance(child.value, str):
            raise child.error("is not text")
        sources[name] = child.value
    return sources


def _names(field: Field) -> Sequence[str]:
    return tuple(cast("dict[str, object]", field.value)) if isinstance(field.value, dict) else ()
