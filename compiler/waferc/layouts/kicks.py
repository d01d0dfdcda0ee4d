"""Ways out of where single changes of a plan help no more: change some at random, and go on."""

from __future__ import annotations

import numpy as np

from waferc.layouts.problem import Problem
from waferc.layouts.search import Solution, improve

_LONGEST = 8  # steps in a row that a kick changes


def kicked(problem: Problem, solution: Solution, kicks: int, sweeps: int, seed: int) -> Solution:
    """The best of a solution and of what `kicks` random changes of it lead to, one from the other.

    A kick gives a few steps in a row any strategy, and sweeps follow. The same seed gives the same
    solution.
    """
    random = np.random.default_rng(seed)
    counts = [len(step.strategies) for step in problem.steps]
    for _ in range(kicks if counts else 0):
        choices = list(solution.choices)
        length = int(random.integers(1, _LONGEST + 1))
        start = int(random.integers(len(choices)))
        for number in range(start, min(start + length, len(choices))):
            choices[number] = int(random.integers(counts[number]))
        found = improve(problem, choices, sweeps)
        if found.price < solution.price:
            solution = found
    return solution
