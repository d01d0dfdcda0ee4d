"""Random decoders go on, token after token, as PyTorch does; no state is lost or mixed."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.end_to_end.strategies_decoders import VOCABULARY, Decoder, decoders

import waferc
from waferc.tolerance import compare
from waferc_runtime.host.session import Session

grids = st.tuples(st.integers(1, 4), st.integers(1, 3))
targets = st.sampled_from(["wse2", "wse3"])


def compiled_decoder(model: Decoder, **options: Any) -> waferc.Compiled:
    example = torch.zeros(model.shape.batch, 1, dtype=torch.long), torch.zeros(1, dtype=torch.long)
    return waferc.compile(copy.deepcopy(model), example, **options)


def logits_of_torch(model: Decoder, ids: NDArray[Any], order: list[int]) -> NDArray[Any]:
    """Logits [position, batch, vocabulary], computed in f64 from fresh caches."""
    exact = copy.deepcopy(model).double()
    with torch.no_grad():
        steps = [exact(torch.from_numpy(ids[:, t : t + 1]), torch.tensor([t])) for t in order]
    return torch.cat(steps, 1).transpose(0, 1).numpy()


def step(session: Session, ids: NDArray[Any], t: int) -> NDArray[Any]:
    """Logits [batch, vocabulary] of the tokens at position `t`."""
    [logits] = session.run({"ids": ids[:, t : t + 1], "position": np.asarray([t])}).values()
    return logits[:, 0]


@settings(max_examples=4)
@given(decoders(), grids, targets, st.sampled_from(["f32", "mixed", "f16"]))
def test_a_drawn_decoder_decodes_what_pytorch_does(
    model: Decoder, region: tuple[int, int], target: str, dtype: str
) -> None:
    shape = model.shape
    compiled = compiled_decoder(model, region=region, target=target, dtype=dtype)
    ids = np.random.default_rng(1).integers(0, VOCABULARY, (shape.batch, shape.context))
    found = np.stack([step(compiled.session, ids, t) for t in range(shape.context)])
    expected = logits_of_torch(model, ids, list(range(shape.context)))
    element = compiled.bundle.manifest.dtype
    result = compare({"logits": found}, {"logits": expected}, compiled.tolerance, element)
    assert result.passed, f"{shape}\n{result}"


@settings(max_examples=2)
@given(decoders(), grids, st.data())
def test_sessions_and_rows_of_a_batch_keep_their_own_caches(
    model: Decoder, region: tuple[int, int], data: st.DataObject
) -> None:
    shape = model.shape
    compiled = compiled_decoder(model, region=region)
    random = np.random.default_rng(2)
    order = random.permutation(shape.batch)
    ids = random.integers(0, VOCABULARY, (shape.batch, shape.context))
    texts = [ids, ids[order]]
    sessions = [compiled.session, Session(compiled.bundle)]
    found: list[list[NDArray[Any]]] = [[], []]
    turns = data.draw(st.permutations([0, 1] * shape.context))
    for who in turns:
        found[who].append(step(sessions[who], texts[who], len(found[who])))
    first, second = map(np.stack, found)
    np.testing.assert_array_equal(second, first[:, order])
    expected = logits_of_torch(model, ids, list(range(shape.context)))
    np.testing.assert_allclose(first, expected, rtol=1e-3, atol=1e-4)
    sessions[1].reset()  # what the other wrote stays, what this one wrote is forgotten
    np.testing.assert_array_equal(step(sessions[1], texts[0], 0), first[0])
    again = step(sessions[0], texts[0], shape.context - 1)
    np.testing.assert_array_equal(again, first[-1])
