"""A bundle for several wafers: a bundle for each, and what the host hands from one to another.

Its manifest names the folders of the wafers' bundles, in the order in which they run:

    {"format": "waferc-bundle", "version": 2, "name": ..., "target": ..., "dtype": ...,
     "wafers": ["wafer0", "wafer1"],
     "links": [{"entry": "decode", "label": "wafer1.0", "from": 0, "to": 1}],
     "entries": [{"label": "decode", "tolerance": ..., "structure": ...}]}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from waferc_ir.dtypes import DTYPES
from waferc_runtime.host.contents import Bundle, Link
from waferc_runtime.host.json_fields import Field
from waferc_runtime.host.manifest import (
    MANIFEST,
    EntryPoint,
    Manifest,
    check_format,
    read_machine,
)
from waferc_runtime.host.placement import Placement

MOST_WAFERS = 1_000
_MOST_LINKS = 100_000
_MOST_ENTRIES = 1_000
_FOLDER = re.compile(r"[A-Za-z0-9_-]+\Z")
_REQUIRED = ("format", "version", "name", "target", "dtype", "wafers", "links", "entries")


def is_joined(document: object) -> bool:
    """Whether a manifest's document is that of a bundle for several wafers."""
    return isinstance(document, dict) and "wafers" in cast("dict[object, object]", document)


def folders(document: object, file: str = MANIFEST) -> tuple[str, ...]:
    """The folders of the wafers' bundles, by the document of the whole. Raises BundleError."""
    fields = Field(document, "", file).mapping(_REQUIRED, ("machine",))
    check_format(fields)
    found: list[str] = []
    for item in fields["wafers"].items(MOST_WAFERS):
        name = item.text()
        if not _FOLDER.match(name) or name in found:
            raise item.error(f"is {name!r}, which is no name of a folder, or that of another")
        found.append(name)
    if not found:
        raise fields["wafers"].error("is empty")
    return tuple(found)


def join(document: object, wafers: Sequence[Bundle], file: str = MANIFEST) -> Bundle:
    """The bundle of the whole. Its entries take and give what no link does.

    Raises:
        BundleError: a field is wrong, or the bundles of the wafers do not fit together.
    """
    fields = Field(document, "", file).mapping(_REQUIRED, ("machine",))
    machine = read_machine(fields["target"], fields.get("machine"))
    if any(wafer.manifest.machine != machine for wafer in wafers):
        raise fields["wafers"].error("names bundles for other machines than the whole")
    links = tuple(_links(fields["links"], wafers))
    entries = tuple(_entries(fields["entries"], wafers, links))
    manifests = [wafer.manifest for wafer in wafers]
    manifest = Manifest(
        name=fields["name"].text(),
        machine=machine,
        dtype=DTYPES[fields["dtype"].one_of(("f32", "f16"))],
        layout="",
        width=max(one.width for one in manifests),
        height=max(one.height for one in manifests),
        state=tuple(placement for one in manifests for placement in one.state),
        entries=entries,
        regions=tuple(region for one in manifests for region in one.regions),
        without_data=frozenset[str]().union(*(one.without_data for one in manifests)),
        document=cast("dict[str, object]", document),
    )
    weights = {label: array for wafer in wafers for label, array in wafer.weights.items()}
    return Bundle(manifest, {}, weights, tuple(wafers), links)


def _links(field: Field, wafers: Sequence[Bundle]) -> Iterator[Link]:
    taken: set[tuple[str, str]] = set()
    for item in field.items(_MOST_LINKS):
        fields = item.mapping(("entry", "label", "from", "to"))
        source = fields["from"].integer(0, len(wafers) - 2)
        target = fields["to"].integer(source + 1, len(wafers) - 1)
        link = Link(fields["entry"].text(), fields["label"].text(), source, target)
        if (link.entry, link.label) in taken:
            raise item.error("has the label of another link")
        taken.add((link.entry, link.label))
        found: list[Placement | None] = []
        for number, is_source in ((source, True), (target, False)):
            own = [e for e in wafers[number].manifest.entries if e.label == link.entry]
            placements = [p for e in own for p in (e.outputs if is_source else e.inputs)]
            found.append(next((p for p in placements if p.label == link.label), None))
        leaves, arrives = found
        if leaves is None or arrives is None:
            missing = "output" if leaves is None else "input"
            raise item.error(f"is no {missing} {link.label!r} of entry {link.entry!r} there")
        if (leaves.shape, leaves.dtype) != (arrives.shape, arrives.dtype):
            raise item.error(f"leads from {leaves} to {arrives}")
        yield link


def _entries(field: Field, wafers: Sequence[Bundle], links: Sequence[Link]) -> Iterator[EntryPoint]:
    labels: list[str] = []
    for item in field.items(_MOST_ENTRIES):
        label = item.mapping(("label", "tolerance"), ("structure",))["label"].text()
        labels.append(label)
        own = [e for wafer in wafers for e in wafer.manifest.entries if e.label == label]
        if len(own) != len(wafers):
            raise item.error(f"is {label!r}, which not every wafer has")
        handed = {link.label for link in links if link.entry == label}
        inputs = [p for e in own for p in e.inputs if p.label not in handed]
        outputs = [p for e in own for p in e.outputs if p.label not in handed]
        _check(item, inputs, outputs)
        document = cast("Mapping[str, object]", item.value)
        yield EntryPoint(label, "", tuple(inputs), tuple(outputs), document)
    if not labels or len(set(labels)) < len(labels):
        raise field.error("is empty, or has two of one label")


def _check(item: Field, inputs: Sequence[Placement], outputs: Sequence[Placement]) -> None:
    first: dict[str, Placement] = {}
    for placement in inputs:
        before = first.setdefault(placement.label, placement)
        if (before.shape, before.dtype) != (placement.shape, placement.dtype):
            raise item.error(f"has the input {placement.label!r} with two shapes or types")
    labels = [placement.label for placement in outputs]
    if len(set(labels)) < len(labels):
        raise item.error("has an output on two wafers")
