"""The search for layouts: a beam in program order, then sweeps that improve single choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waferc.layouts.problem import Problem
from waferc_ir.program import Value

_HASH_SEED = 20_240_229  # of the numbers that tell states apart; any will do


@dataclass(frozen=True)
class Solution:
    """The strategy chosen for each step, by number, and the price of all."""

    choices: tuple[int, ...]
    price: int


def search(problem: Problem, beam: int, sweeps: int) -> Solution:
    """The best strategies found. The same problem gives the same solution.

    Args:
        problem: steps and prices.
        beam: states kept after each step.
        sweeps: most rounds of local improvement; they end when one finds nothing.
    """
    return improve(problem, _beam(problem, beam), sweeps)


def _beam(problem: Problem, beam: int) -> list[int]:
    """Choices of a beam search in program order.

    A state is, for each value that is still needed, the cost of having it in each layout. States
    that are equal in this have the same future, so that the cheapest of them is enough.
    """
    last = {value: n for n, asked in enumerate(problem.requests) for value, _ in asked}
    random = np.random.default_rng(_HASH_SEED)
    numbers = {
        value: random.integers(1, 1 << 62, len(terms.layouts), dtype=np.int64)
        for value, terms in problem.terms.items()
    }
    live: dict[Value, NDArray[np.int64]] = {  # [state, layout]
        value: terms.prices[None, :] for value, terms in problem.terms.items() if terms.free
    }
    scores = np.zeros(1, np.int64)
    trail: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
    for number, step in enumerate(problem.steps):
        requests, home = problem.requests[number], problem.homes[number]
        totals = scores[:, None] + problem.costs[number][None, :]  # [state, strategy]
        for value, wanted in requests:
            totals = totals + live[value][:, wanted]
        flat = totals.ravel()
        order = np.argsort(flat, kind="stable")[: 4 * beam]
        parents, chosen = np.divmod(order, len(home))
        # a single row stands for all states
        after = {
            value: costs if len(costs) == 1 else costs[parents]
            for value, costs in live.items()
            if last.get(value, -1) > number
        }
        for value, wanted in requests:
            if value in after:
                between = problem.terms[value].between[wanted[chosen]]
                after[value] = np.minimum(after[value], between)
        for result in step.results:
            if last.get(result, -1) > number:
                after[result] = problem.terms[result].between[home[chosen]]
        keep = _first_of_each(after, numbers, len(order))[:beam]
        scores = flat[order[keep]]
        live = {value: costs[keep] if len(costs) > 1 else costs for value, costs in after.items()}
        trail.append((parents[keep], chosen[keep]))
    state = int(np.argmin(scores))
    choices: list[int] = []
    for parents, chosen in reversed(trail):
        choices.append(int(chosen[state]))
        state = int(parents[state])
    return choices[::-1]


def _first_of_each(
    live: dict[Value, NDArray[np.int64]], numbers: dict[Value, NDArray[np.int64]], states: int
) -> NDArray[np.intp]:
    """Numbers of the states that differ from all before them, in order."""
    keys = np.zeros(states, np.int64)
    for value, costs in live.items():
        if len(costs) > 1:
            keys += (costs * numbers[value][None, :]).sum(axis=1)  # wraps, as a hash may
    _, first = np.unique(keys, return_index=True)
    return np.sort(first)


def improve(problem: Problem, choices: Sequence[int], sweeps: int) -> Solution:
    """Change single choices as long as that lowers the price, at most `sweeps` rounds."""
    state = _State(problem, list(choices))
    for _ in range(sweeps):
        improved = False
        for number in range(len(problem.steps)):
            improved = state.improve(number) or improved
        if not improved:
            break
    return Solution(tuple(state.choices), state.price())


class _State:
    """Choices, with the steps that read each value."""

    def __init__(self, problem: Problem, choices: list[int]) -> None:
        self.choices = choices
        # lists, as single entries of arrays are slow to read
        self.costs: list[list[int]] = [costs.tolist() for costs in problem.costs]
        self.homes: list[list[int]] = [homes.tolist() for homes in problem.homes]
        self.requests: list[list[tuple[Value, list[int]]]] = [
            [(value, wanted.tolist()) for value, wanted in asked] for asked in problem.requests
        ]
        self.terms = problem.terms
        tables: dict[int, list[list[int]]] = {}
        for terms in problem.terms.values():
            if id(terms) not in tables:
                tables[id(terms)] = terms.between.tolist()
        self.between = {value: tables[id(terms)] for value, terms in problem.terms.items()}
        self.prices: dict[Value, list[int]] = {
            value: terms.prices.tolist() for value, terms in problem.terms.items()
        }
        self.makers = {v: number for number, step in enumerate(problem.steps) for v in step.results}
        self.results = [step.results for step in problem.steps]
        self.readers: dict[Value, list[tuple[int, list[int]]]] = {v: [] for v in problem.terms}
        for number, asked in enumerate(self.requests):
            for value, wanted in asked:
                self.readers[value].append((number, wanted))

    def price(self) -> int:
        """The price of all choices."""
        own = sum(costs[choice] for costs, choice in zip(self.costs, self.choices, strict=True))
        return own + sum(self.relayouts(value) for value in self.terms)

    def relayouts(self, value: Value) -> int:
        """What it costs to have a value in all layouts asked for, each from the nearest."""
        maker = self.makers.get(value)
        between, prices = self.between[value], self.prices[value]
        have = [] if maker is None else [self.homes[maker][self.choices[maker]]]
        total = 0
        for number, wanted in self.readers[value]:
            layout = wanted[self.choices[number]]
            if layout not in have:
                start = prices[layout] if maker is None else min(between[h][layout] for h in have)
                total += start
                have.append(layout)
        return total

    def improve(self, number: int) -> bool:
        """Give a step its best strategy, all others kept; whether that lowered the price."""
        touched = {value for value, _ in self.requests[number]}.union(self.results[number])
        before = self.choices[number]
        best, best_price = before, self._local(number, touched)
        for choice in range(len(self.homes[number])):
            if self.costs[number][choice] >= best_price:
                continue
            self.choices[number] = choice
            price = self._local(number, touched)
            if price < best_price:
                best, best_price = choice, price
        self.choices[number] = best
        return best != before

    def _local(self, number: int, touched: set[Value]) -> int:
        own = self.costs[number][self.choices[number]]
        return own + sum(self.relayouts(value) for value in touched)
