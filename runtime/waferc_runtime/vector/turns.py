"""Whose turn it is on a link or a ramp: each carries one word per cycle, for all colors together.

Where several colors leave a router by one way, or come onto its ramp, words go in the order of
time. Of those that could go in one cycle, that goes first whose buffer was served longest ago, then
that of the lowest color. A word for several ways takes them all at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.csl.core import RAMP
from waferc_runtime.vector.lanes import Indices
from waferc_runtime.vector.router_config import RouterConfig

Times = NDArray[np.int64]
Ways = NDArray[np.bool_]  # [word, way]

ONRAMP = 5  # the way from a PE into its router, behind the five out of the router
_WAYS = 6
_BITS = (np.arange(32)[:, np.newaxis] >> np.arange(5) & 1).astype(np.bool_)  # [mask, way]


class Turns:
    """The ways at all routers, and until when each is taken. Nodes are those of `config`.

    Ways are E W N S to-PE from-PE. Words take turns on none if not `is_any`.
    """

    def __init__(self, config: RouterConfig, is_any: bool) -> None:
        self._pes = config.pes
        ways = np.zeros((len(config.rx), _WAYS), np.bool_)  # [node, way]
        ways[:, :ONRAMP] = _BITS[config.may_send]
        ways[:, ONRAMP] = (config.may_accept & RAMP) != 0
        ways &= is_any
        by_pe = ways.reshape(-1, config.pes, _WAYS)
        is_shared = (by_pe & (by_pe.sum(axis=0) > 1)).reshape(ways.shape)
        self.shares_exit = is_shared[:, :ONRAMP].any(axis=1)  # [node]
        self.shares_onramp = is_shared[:, ONRAMP]  # [node]
        self._used = np.full((config.pes, _WAYS), -1, np.int64)  # in which cycle last

    def free_from(self, nodes: Indices, ways: Ways) -> Times:
        """From when on all ways of words are free: [word]."""
        used = self._used[nodes % self._pes, : ways.shape[1]]
        return np.where(ways, used + 1, 0).max(axis=1, initial=0)

    def granted(self, nodes: Indices, ways: Ways, served: Times, origin: Indices) -> Ways:
        """Which of the words that could go in one cycle do: [word].

        `served` is when their buffers were served last. Others may go in the same cycle, once
        these have gone: those in whose way a word stood that does not go.
        """
        order = np.lexsort((origin, nodes, served))
        place, way = ways[order].nonzero()
        key = (nodes[order] % self._pes)[place] * _WAYS + way
        first = np.unique(key, return_index=True)[1]
        has = np.bincount(place[first], minlength=len(nodes))
        result = np.zeros(len(nodes), np.bool_)
        result[order] = has == ways[order].sum(axis=1)
        return result

    def take(self, nodes: Indices, ways: Ways, cycle: int) -> None:
        """Words go these ways."""
        word, way = ways.nonzero()
        self._used[nodes[word] % self._pes, way] = cycle
