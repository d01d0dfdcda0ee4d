"""Filters between a router and its ramp: which wavelets of a color reach the PE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from waferc_runtime.csl.core import FilterKind, Filters
from waferc_runtime.reference.buffers import Wavelet


@dataclass(slots=True)
class Filter:
    """The filter of one color on one PE, with its counter. The rules are those of `Filters`."""

    kind: FilterKind
    counts_data: bool
    counts_control: bool
    filters_control: bool
    counter: int
    limit1: int
    limit2: int
    max_counter: int
    min_idx: int
    max_idx: int
    is_spent: bool = False  # a sparse counter that has run behind its last limit

    @classmethod
    def at(cls, filters: Filters | None, y: int, x: int) -> Filter | None:
        """The filter that the layout gives PE (x, y); None if it gives none."""
        kind = FilterKind.NONE if filters is None else FilterKind(int(filters.kind[y, x]))
        if filters is None or kind is FilterKind.NONE:
            return None
        return cls(
            kind,
            bool(filters.count_data[y, x]),
            bool(filters.count_control[y, x]),
            bool(filters.filter_control[y, x]),
            int(filters.init_counter[y, x]),
            int(filters.limit1[y, x]),
            int(filters.limit2[y, x]),
            int(filters.max_counter[y, x]),
            int(filters.min_idx[y, x]),
            int(filters.max_idx[y, x]),
        )

    def passes(self, wavelet: Wavelet) -> bool:
        """Whether a wavelet reaches the PE, as things stand."""
        match self.kind:
            case FilterKind.NONE:
                return True
            case FilterKind.RANGE:
                index = wavelet.bits >> 16
                return wavelet.is_control or self.min_idx <= index <= self.max_idx
            case FilterKind.COUNTER | FilterKind.SPARSE_COUNTER:
                if self.is_spent:
                    return True
                if wavelet.is_control and self.filters_control:
                    return self.counter == self.max_counter
                return not self._counts(wavelet) or self.counter <= self.max_counter
            case _:
                assert_never(self.kind)

    def count(self, wavelet: Wavelet) -> None:
        """Let the counter go on behind a wavelet that came through the router."""
        if self.kind is FilterKind.RANGE or self.is_spent or not self._counts(wavelet):
            return
        self.counter += 1
        if self.counter <= self.limit1:
            return
        self.counter = 0
        if self.kind is FilterKind.SPARSE_COUNTER:
            self.is_spent = self.limit2 < 0
            self.limit1, self.limit2 = self.limit2, -1

    def _counts(self, wavelet: Wavelet) -> bool:
        return self.counts_control if wavelet.is_control else self.counts_data
