from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from waferc_runtime.vector.lanes import alike


@given(
    kinds=st.integers(1, 30), keys=st.integers(1, 3), pes=st.integers(1, 60), seed=st.integers(0)
)
def test_alike_parts_pes_as_unique_does(kinds: int, keys: int, pes: int, seed: int) -> None:
    table = np.random.default_rng(seed).integers(-kinds, kinds, (keys, pes))
    distinct, number = np.unique(table, axis=1, return_inverse=True)
    found = alike(table)
    assert len(found) == distinct.shape[1]
    for kind, positions in enumerate(found):
        assert positions.tolist() == np.flatnonzero(number.reshape(-1) == kind).tolist()
