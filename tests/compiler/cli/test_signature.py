from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waferc.signature import Signature, plain_signature, read_signature
from waferc.structure import Kind, Structure
from waferc_runtime.host.json_fields import BundleError
from waferc_runtime.host.manifest import EntryPoint, read_manifest

REGION = {"x": 0, "y": 0, "width": 1, "height": 1}


def entry(structure: object, outputs: tuple[str, ...] = ("a", "b")) -> EntryPoint:
    def tensor(label: str) -> dict[str, Any]:
        return {
            "label": label, "symbol": label, "shape": [2], "dtype": "f32", "region": REGION,
            "splits": [None],
        }  # fmt: skip

    document: dict[str, object] = {
        "format": "waferc-bundle", "version": 2, "name": "n", "target": "wse3", "dtype": "f32",
        "layout": "csl/layout.csl", "width": 1, "height": 1, "state": [],
        "entries": [
            {"label": "main", "function": "main", "inputs": [tensor("x")],
             "outputs": [tensor(label) for label in outputs], "tolerance": {},
             **({} if structure is None else {"structure": structure})},
        ],
    }  # fmt: skip
    return read_manifest(json.loads(json.dumps(document))).entry()


TENSOR_X = Structure("tensor", "x")
ARGUMENTS = Structure("tuple", entries=(Structure("tuple", entries=(TENSOR_X,)), Structure("dict")))
KINDS: st.SearchStrategy[Kind] = st.sampled_from(["list", "tuple", "dict"])


def container(kind: Kind, entries: list[Structure]) -> Structure:
    keys = tuple("klm"[: len(entries)]) if kind == "dict" else ()
    return Structure(kind, entries=tuple(entries), keys=keys)


STRUCTURES = st.recursive(
    st.sampled_from([Structure("tensor", "a"), Structure("tensor", "b")])
    | st.builds(Structure, st.just("constant"), value=st.none() | st.booleans() | st.integers()),
    lambda inner: st.builds(container, KINDS, st.lists(inner, max_size=3)),
    max_leaves=6,
)


@given(STRUCTURES)
def test_a_signature_survives_the_manifest(returns: Structure) -> None:
    signature = Signature(ARGUMENTS, returns, dict.fromkeys(returns.labels(), "float32"))
    assert read_signature(entry(signature.document())) == signature


def test_a_manifest_without_structure_has_plain_arguments_and_results() -> None:
    found = plain_signature(entry(None))
    assert found.arguments.flatten(((1,), {}), "arguments") == {"x": 1}
    assert found.returns.build({"a": 1, "b": 2}) == (1, 2)
    assert read_signature(entry(None, ("a",))).returns.build({"a": np.float32(1)}) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"returns": {"kind": "tensor", "label": "z"}}, "outputs that are not there: z"),
        ({"returns": {"kind": "set"}}, "returns.kind is 'set'"),
        ({"returns": {"kind": "constant", "value": []}}, "is not a plain value"),
        ({"returns": {"kind": "dict", "keys": ["k"], "entries": []}}, "1 names for 0 entries"),
        ({"arguments": {"kind": "tuple", "entries": []}}, "lacks inputs x"),
        ({"dtypes": {"a": "object"}}, "dtypes.a is 'object'"),
        ({"dtypes": {}}, "dtypes has no a"),
    ],
)
def test_a_damaged_structure_is_named(change: dict[str, object], message: str) -> None:
    good = Signature(ARGUMENTS, Structure("tensor", "a"), {"a": "float32"}).document()
    with pytest.raises(BundleError) as caught:
        read_signature(entry({**good, **change}))
    assert message in str(caught.value)


def test_deep_nesting_is_an_error() -> None:
    nested: dict[str, object] = {"kind": "tensor", "label": "a"}
    for _ in range(100):
        nested = {"kind": "list", "entries": [nested]}
    good = Signature(ARGUMENTS, Structure("tensor", "a"), {"a": "float32"}).document()
    with pytest.raises(BundleError, match="more than 64 levels"):
        read_signature(entry({**good, "returns": nested}))
