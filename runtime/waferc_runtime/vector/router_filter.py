"""Filters between router and ramp: which wavelets of a dynamic color reach the compute element."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from waferc_runtime.builtins.registers import FILTER_LIMIT, FILTER_MAX
from waferc_runtime.csl.core import FilterKind, Routes
from waferc_runtime.vector.lanes import Indices


class RouterFilters:
    """The filters of all nodes, with their counters. See `core.Filters` for what they do."""

    def __init__(self, slots: Mapping[int, int], routes: Mapping[int, Routes], pes: int) -> None:
        nodes = len(slots) * pes
        self._kind = np.zeros(nodes, np.uint8)
        self._counts_data = np.zeros(nodes, np.bool_)
        self._counts_control = np.zeros(nodes, np.bool_)
        self._holds_control = np.zeros(nodes, np.bool_)
        self._counter = np.zeros(nodes, np.int64)
        self._limit = np.zeros(nodes, np.int64)
        self._next_limit = np.full(nodes, -1, np.int64)
        self._most = np.zeros(nodes, np.int64)
        self._low = np.zeros(nodes, np.int64)
        self._high = np.zeros(nodes, np.int64)
        for color, slot in slots.items():
            filters = routes[color].filters if color in routes else None
            if filters is None:
                continue
            here = slice(slot * pes, (slot + 1) * pes)
            self._kind[here] = filters.kind.reshape(-1)
            self._counts_data[here] = filters.count_data.reshape(-1)
            self._counts_control[here] = filters.count_control.reshape(-1)
            self._holds_control[here] = filters.filter_control.reshape(-1)
            self._counter[here] = filters.init_counter.reshape(-1)
            self._limit[here] = filters.limit1.reshape(-1)
            self._next_limit[here] = filters.limit2.reshape(-1)
            self._most[here] = filters.max_counter.reshape(-1)
            self._low[here] = filters.min_idx.reshape(-1)
            self._high[here] = filters.max_idx.reshape(-1)
        self.is_any = bool(self._kind.any())

    def read(self, register: int, nodes: Indices) -> NDArray[np.int64]:
        """What a filter register of these nodes holds; `register` is the first of its bank."""
        return self._bank(register)[nodes]

    def write(self, register: int, nodes: Indices, values: NDArray[np.int64]) -> None:
        """Set a filter register of these nodes."""
        self._bank(register)[nodes] = values

    def _bank(self, register: int) -> NDArray[np.int64]:
        if register == FILTER_LIMIT:
            return self._limit
        return self._most if register == FILTER_MAX else self._counter

    def rejects(
        self, nodes: Indices, words: NDArray[np.uint32], is_control: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Which of these words, one per node, stay out, as the counters stand."""
        kind = self._kind[nodes]
        index = (words >> np.uint32(16)).astype(np.int64)
        outside = (index < self._low[nodes]) | (index > self._high[nodes])
        result = (kind == FilterKind.RANGE) & ~is_control & outside
        counts = self._counts(nodes, is_control)
        counter, most = self._counter[nodes], self._most[nodes]
        result |= counts & (counter > most)
        is_counter = (kind == FilterKind.COUNTER) | (kind == FilterKind.SPARSE_COUNTER)
        return result | (is_counter & self._holds_control[nodes] & is_control & (counter != most))

    def count(self, nodes: Indices, is_control: NDArray[np.bool_]) -> None:
        """Count words that go through, one per node."""
        nodes = nodes[self._counts(nodes, is_control)]
        if not len(nodes):
            return
        counter = self._counter[nodes]
        wraps = counter == self._limit[nodes]
        self._counter[nodes] = np.where(wraps, 0, counter + 1)
        sparse = nodes[wraps & (self._kind[nodes] == FilterKind.SPARSE_COUNTER)]
        following = self._next_limit[sparse]
        self._kind[sparse[following < 0]] = FilterKind.NONE
        self._limit[sparse] = following
        self._next_limit[sparse] = -1

    def _counts(self, nodes: Indices, is_control: NDArray[np.bool_]) -> NDArray[np.bool_]:
        kind = self._kind[nodes]
        is_counter = (kind == FilterKind.COUNTER) | (kind == FilterKind.SPARSE_COUNTER)
        counted = np.where(is_control, self._counts_control[nodes], self._counts_data[nodes])
        return is_counter & counted
