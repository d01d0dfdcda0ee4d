"""The manifest of a bundle: its fields, checked one by one against the machine's limits."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from waferc_ir.chosen import chosen
from waferc_ir.diagnostics import Location, collect
from waferc_ir.dtypes import DTYPES, DType
from waferc_ir.machine import MACHINES, Machine
from waferc_runtime.host.json_fields import BundleError, Field
from waferc_runtime.host.placement import Axis, Placement, Rectangle, Split
from waferc_runtime.profile import Area

FORMAT = "waferc-bundle"
VERSION = 2
MANIFEST = "manifest.json"
_LARGEST_MANIFEST_BYTES = 64 * 2**20
_MOST_TENSORS = 100_000
_MOST_ENTRIES = 1_000
_LARGEST_EXTENT = 2**31 - 1
_MOST_DIMENSIONS = 32
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_LAYOUT = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/)*[A-Za-z0-9_][A-Za-z0-9_.-]*\.csl\Z")


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """What the host calls: inputs are written, `function` launched, outputs read.

    `document` is the entry's part of the JSON document.
    """

    label: str
    function: str
    inputs: tuple[Placement, ...]
    outputs: tuple[Placement, ...]
    document: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle holds and where it goes. `document` is the JSON document itself.

    All entries work on the same weights and states. `regions` are the rectangles that run one
    program each, where the bundle tells them. `without_data` are the labels of weights and states
    whose data the bundle lacks.
    """

    name: str
    machine: Machine
    dtype: DType
    layout: str
    width: int
    height: int
    state: tuple[Placement, ...]
    entries: tuple[EntryPoint, ...]
    regions: tuple[Area, ...]
    without_data: frozenset[str]
    document: Mapping[str, object]

    def entry(self, label: str | None = None) -> EntryPoint:
        """The entry called `label`; None stands for the only one.

        Raises:
            EntryError: there is none of that name, or several and none is named.
        """
        return chosen(self.entries, label, self.name)


def parse_manifest(text: str, file: str = MANIFEST) -> Manifest:
    """The manifest written as JSON in `text`.

    Raises:
        BundleError: it is not JSON, or a field is missing, of the wrong kind or out of range.
    """
    return read_manifest(parse_document(text, file), file)


def parse_document(text: str, file: str = MANIFEST) -> object:
    """The JSON document in `text`, which may be that of any bundle. Raises BundleError."""
    if len(text) > _LARGEST_MANIFEST_BYTES:
        raise BundleError(
            f"the manifest has {len(text):,} characters; "
            f"at most {_LARGEST_MANIFEST_BYTES:,} are read",
            Location(file, 1),
        )
    try:
        return cast("object", json.loads(text))
    except json.JSONDecodeError as problem:
        raise BundleError(
            f"the manifest is not JSON: {problem.msg.lower()}",
            Location(file, problem.lineno, problem.colno, text=_line(text, problem.lineno)),
        ) from None
    except (RecursionError, ValueError):
        raise BundleError(
            "the manifest is nested too deeply or has a number with too many digits",
            Location(file, 1),
        ) from None


def read_manifest(document: object, file: str = MANIFEST) -> Manifest:
    """The manifest in a JSON document. Raises BundleError as `parse_manifest`."""
    top = Field(document, "", file)
    required = (
        "format", "version", "name", "target", "dtype", "layout", "width", "height", "state",
        "entries",
    )  # fmt: skip
    fields = top.mapping(required, ("machine", "regions", "kernels", "without_data"))
    check_format(fields)
    machine = read_machine(fields["target"], fields.get("machine"))
    width = fields["width"].integer(1, machine.program_width)
    height = fields["height"].integer(1, machine.program_height)
    layout = fields["layout"].text()
    if not _LAYOUT.match(layout):
        raise fields["layout"].error(f"is {layout!r}, not the path of a .csl file in the bundle")
    problems: list[BundleError] = []

    def placements(group: Field, *, once: bool = False) -> tuple[Placement, ...]:
        found: list[Placement] = []
        for item in group.items(_MOST_TENSORS):
            try:
                found.append(_placement(item, width, height, machine.sram_bytes))
            except BundleError as problem:
                problems.append(problem)
        problems.extend(_label_problems(group, found, once=once))
        return tuple(found)

    state = placements(fields["state"])
    entries: list[EntryPoint] = []
    for item in fields["entries"].items(_MOST_ENTRIES):
        own = item.mapping(("label", "function", "inputs", "outputs", "tolerance"), ("structure",))
        label, function = own["label"].text(), _identifier(own["function"])
        inputs, outputs = placements(own["inputs"]), placements(own["outputs"], once=True)
        content = cast("dict[str, object]", item.value)
        if any(label == entry.label for entry in entries):
            problems.append(own["label"].error(f"is {label!r}, as that of another entry"))
        entries.append(EntryPoint(label, function, inputs, outputs, content))
    if not entries:
        problems.append(fields["entries"].error("is empty"))
    error = collect(problems)
    if error is not None:
        raise error
    return Manifest(
        name=fields["name"].text(),
        machine=machine,
        dtype=DTYPES[fields["dtype"].one_of(("f32", "f16"))],
        layout=layout,
        width=width,
        height=height,
        state=state,
        entries=tuple(entries),
        regions=_regions(fields.get("regions"), width, height),
        without_data=_labels(fields.get("without_data")),
        document=cast("dict[str, object]", document),
    )


def check_format(fields: Mapping[str, Field]) -> None:
    """Refuse what is no bundle, or one of another version. Raises BundleError."""
    if fields["format"].value != FORMAT:
        raise fields["format"].error(f"is not {FORMAT!r}")
    if fields["version"].integer(1, 10**6) != VERSION:
        raise fields["version"].error(
            f"is {fields['version'].value}; this waferc reads version {VERSION}",
            help="compile the model again",
        )


def _regions(field: Field | None, width: int, height: int) -> tuple[Area, ...]:
    found: list[Area] = []
    for item in () if field is None else field.items(_MOST_TENSORS):
        fields = item.mapping(("name", "x", "y", "width", "height"))
        x, y = fields["x"].integer(0, width - 1), fields["y"].integer(0, height - 1)
        wide, high = fields["width"].integer(1, width - x), fields["height"].integer(1, height - y)
        found.append(Area(fields["name"].text(), x, y, wide, high))
    return tuple(found)


def _labels(field: Field | None) -> frozenset[str]:
    return frozenset(item.text() for item in (() if field is None else field.items(_MOST_TENSORS)))


def machine_changes(machine: Machine) -> dict[str, object]:
    """What a manifest says of a machine that is not one of the known ones: the fields that differ.

    The base is the known machine of the same name, or of the same architecture.
    """
    base = MACHINES.get(machine.name, MACHINES[machine.arch])
    changes: dict[str, object] = {}
    for field in dataclasses.fields(Machine):
        if field.name in ("provenance", "name", "arch"):
            continue
        value = cast("object", getattr(machine, field.name))
        if value != getattr(base, field.name):
            changes[field.name] = (
                list(cast("tuple[int, ...]", value)) if isinstance(value, tuple) else value
            )
    return changes


def read_machine(target: Field, changes: Field | None) -> Machine:
    """The machine of a manifest's fields `target` and `machine`. Raises BundleError."""
    if changes is None:
        return MACHINES[target.one_of(tuple(MACHINES))]
    known = [f.name for f in dataclasses.fields(Machine) if f.name not in ("provenance", "name")]
    fields = changes.mapping(("arch",), known)
    arch = cast("Literal['wse2', 'wse3']", fields["arch"].one_of(("wse2", "wse3")))
    name = target.text()
    base = dataclasses.replace(MACHINES.get(name, MACHINES[arch]), name=name, arch=arch)
    values: dict[str, object] = {}
    for key, field in fields.items():
        if key == "arch":
            continue
        match getattr(base, key):
            case bool():
                if not isinstance(field.value, bool):
                    raise field.error("is not a boolean")
                values[key] = field.value
            case int():
                values[key] = field.integer(0, 2**62)
            case float():
                if not isinstance(field.value, int | float) or not math.isfinite(field.value):
                    raise field.error("is not a finite number")
                values[key] = float(field.value)
            case _:
                found = tuple(item.integer(0, 10**6) for item in field.items(64))
                if key.startswith("wafer_link_") and (len(found) != 3 or 0 in found):
                    raise field.error("is not three positive numbers: best, expected, worst")
                values[key] = found
    return dataclasses.replace(base, **values)  # pyright: ignore[reportArgumentType]


def _placement(item: Field, width: int, height: int, sram_bytes: int) -> Placement:
    fields = item.mapping(
        ("label", "symbol", "shape", "dtype", "region", "splits"), ("mutable", "spread")
    )
    mutable = fields.get("mutable")
    if mutable is not None and not isinstance(mutable.value, bool):
        raise mutable.error("is not a boolean")
    shape = tuple(
        extent.integer(1, _LARGEST_EXTENT) for extent in fields["shape"].items(_MOST_DIMENSIONS)
    )
    corner = fields["region"].mapping(("x", "y", "width", "height"))
    x = corner["x"].integer(0, width - 1)
    y = corner["y"].integer(0, height - 1)
    region = Rectangle(
        x, y, corner["width"].integer(1, width - x), corner["height"].integer(1, height - y)
    )
    split_fields = list(fields["splits"].items(_MOST_DIMENSIONS))
    if len(split_fields) != len(shape):
        raise fields["splits"].error(f"has {len(split_fields)} entries for {len(shape)} dimensions")
    splits = tuple(
        _split(split, extent, region) for split, extent in zip(split_fields, shape, strict=True)
    )
    axes = [split.axis for split in splits if split is not None]
    if len(set(axes)) < len(axes):
        raise fields["splits"].error("splits two dimensions along one axis")
    placement = Placement(
        label=fields["label"].text(),
        symbol=_identifier(fields["symbol"]),
        shape=shape,
        dtype=DTYPES[fields["dtype"].one_of(tuple(DTYPES))],
        region=region,
        splits=splits,
        is_mutable=mutable is not None and mutable.value is True,
        spread=_spread(fields.get("spread"), len(shape)),
    )
    tile_bytes = placement.local_elements * placement.dtype.size_bytes
    if tile_bytes > sram_bytes:
        raise item.error(f"needs {tile_bytes:,} bytes on each PE, which has {sram_bytes:,}")
    return placement


def _spread(field: Field | None, rank: int) -> tuple[int, ...]:
    if field is None:
        return ()
    dims = tuple(dim.integer(0, rank - 1) for dim in field.items(rank))
    if len(set(dims)) < len(dims):
        raise field.error("names a dimension twice")
    return dims


def _label_problems(group: Field, found: list[Placement], *, once: bool) -> list[BundleError]:
    """A label may stand twice when a tensor is in two regions, but then it is one tensor."""
    first: dict[str, Placement] = {}
    problems: list[BundleError] = []
    for placement in found:
        before = first.setdefault(placement.label, placement)
        if before is placement:
            continue
        if once:
            problems.append(group.error(f"has {placement.label!r} twice"))
        elif (before.shape, before.dtype) != (placement.shape, placement.dtype):
            problems.append(group.error(f"has {placement.label!r} with two shapes or types"))
    return problems


def _split(field: Field, extent: int, region: Rectangle) -> Split | None:
    if field.value is None:
        return None
    fields = field.mapping(("axis", "block"), ("first",))
    axis: Axis = "x" if fields["axis"].one_of(("x", "y")) == "x" else "y"
    pes = region.extent(axis)
    first = fields["first"].integer(0, pes - 1) if "first" in fields else 0
    split = Split(axis, fields["block"].integer(1, _LARGEST_EXTENT), first)
    if split.block * (pes - first) < extent:
        raise field.error(f"covers {pes - first} x {split.block} of {extent} elements")
    return split


def _identifier(field: Field) -> str:
    name = field.text()
    if not _NAME.match(name):
        raise field.error(f"is {name!r}, not a CSL name")
    return name


def _line(text: str, number: int) -> str:
    lines = text.splitlines()
    return lines[number - 1][:200] if number <= len(lines) else ""
