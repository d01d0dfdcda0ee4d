"""`waferc machines --validate`: the cycle model against published measurements."""

from __future__ import annotations

import argparse
import sys

from waferc.progress import Progress
from waferc_runtime.validate.point import Outcome, measure
from waferc_runtime.validate.points import POINTS

_WIDTH = 64


def validate_machines(arguments: argparse.Namespace) -> int:
    """Measure the points of all machines, or of one; exit code 1 if a bar is missed."""
    points = [
        point
        for point in POINTS
        if (point.is_quick or not arguments.quick)
        and (arguments.name is None or point.machine == arguments.name)
        and (arguments.engine == "vector" or point.is_small)
    ]
    progress = Progress()
    print(
        f"{'measurement':{_WIDTH}} {'machine':7} {'published':>10} {'ours':>10} {'error':>8} "
        f"{'bar':>5}     source"
    )
    missed = 0
    for point in points:
        with progress.step(point.name):
            outcome = measure(point, arguments.engine)
        missed += not outcome.passed
        print(row(outcome))
        sys.stdout.flush()
    print(f"{len(points) - missed} of {len(points)} within their bars")
    return 1 if missed else 0


def row(outcome: Outcome) -> str:
    """One measurement as a row of the table."""
    point = outcome.point
    return (
        f"{point.name:{_WIDTH}} {point.machine:7} {point.published:10,.0f} {outcome.ours:10,.0f} "
        f"{outcome.error:+8.2%} {point.bar:5.0%} {'' if outcome.passed else '!':1} "
        f"{point.confidence} {point.source}"
    )
