"""Runs the vendor's public examples on the virtual wafer; see README.md in this folder.

As a script it prints a table; pytest collects it when the file is named.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.external.examples import GOOD, Example, Outcome, find_examples, run_example

from waferc_runtime.host.engines import ENGINES

VARIABLES = {"csl-examples": "WAFERC_CSL_EXAMPLES", "sdk-examples": "WAFERC_SDK_EXAMPLES"}
LIMIT_SECONDS = 300.0


def known_examples() -> list[Example]:
    """The examples of all checkouts that environment variables name."""
    examples: list[Example] = []
    for repository, variable in VARIABLES.items():
        folder = os.environ.get(variable)
        if folder:
            examples += find_examples(repository, Path(folder).resolve())
    return examples


def _identity(example: Example | None) -> str:
    return "none" if example is None else f"{example.repository}/{example.name}"


@pytest.mark.parametrize("example", known_examples() or [None], ids=_identity)
def test_public_example(example: Example | None) -> None:
    if example is None:
        pytest.skip(f"no checkout: set {' or '.join(VARIABLES.values())} to its folder")
    outcome = run_example(example, ["--engine", "vector"], LIMIT_SECONDS)
    assert outcome.verdict in GOOD, f"{outcome.verdict}: {outcome.reason}\n{outcome.output}"


def main(arguments: Sequence[str]) -> int:
    """Run the examples that the command line chooses; exit code 1 if any went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.external.csl_examples")
    parser.add_argument("--engine", default="vector", choices=tuple(ENGINES))
    parser.add_argument("--task-order", help="as for `waferc sdk`")
    parser.add_argument("--seed", help="as for `waferc sdk`")
    parser.add_argument("--only", action="append", default=[], help="part of a name; repeatable")
    parser.add_argument("--arch", choices=("wse2", "wse3"))
    parser.add_argument("--repository", choices=tuple(VARIABLES))
    parser.add_argument("-j", type=int, default=1, metavar="N", help="at a time")
    parser.add_argument("--limit", type=float, default=LIMIT_SECONDS, metavar="SECONDS")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="output of each example")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the table as JSON")
    given = parser.parse_args(list(arguments))
    examples = [
        example
        for example in known_examples()
        if (not given.only or any(part in example.name for part in given.only))
        and given.arch in (None, example.arch)
        and given.repository in (None, example.repository)
    ]
    if not examples:
        print(f"no examples: set {' or '.join(VARIABLES.values())}", file=sys.stderr)
        return 2
    options = ["--engine", given.engine]
    options += [] if given.task_order is None else ["--task-order", given.task_order]
    options += [] if given.seed is None else ["--seed", given.seed]

    def one(example: Example) -> Outcome:
        outcome = run_example(example, options, given.limit)
        print(_row(outcome), flush=True)
        return outcome

    with ThreadPoolExecutor(given.j) as pool:
        outcomes = list(pool.map(one, examples))
    print(summary(outcomes))
    if given.logs is not None:
        _write_logs(outcomes, given.logs)
    if given.json is not None:
        given.json.write_text(json.dumps([_record(o) for o in outcomes], indent=1) + "\n")
    return 0 if all(outcome.verdict in GOOD for outcome in outcomes) else 1


def summary(outcomes: Sequence[Outcome]) -> str:
    """How many of each verdict, by repository and architecture."""
    lines: list[str] = []
    for repository in VARIABLES:
        for arch in ("wse2", "wse3"):
            mine = [
                o for o in outcomes
                if o.example.repository == repository and o.example.arch == arch
            ]  # fmt: skip
            if mine:
                counts = Counter(o.verdict for o in mine)
                good = sum(counts[verdict] for verdict in GOOD)
                parts = ", ".join(f"{n} {verdict}" for verdict, n in counts.most_common())
                lines.append(f"{repository} {arch}: {good} of {len(mine)} good ({parts})")
    return "\n".join(lines)


def _row(outcome: Outcome) -> str:
    cycles = "-" if outcome.cycles is None else f"{outcome.cycles:,}"
    row = f"{outcome.verdict:12} {outcome.seconds:7.1f} s {cycles:>12} cycles  "
    return f"{row}{_identity(outcome.example)}  {outcome.reason}".rstrip()


def _record(outcome: Outcome) -> dict[str, object]:
    return {
        "repository": outcome.example.repository,
        "name": outcome.example.name,
        "verdict": outcome.verdict,
        "seconds": round(outcome.seconds, 2),
        "cycles": outcome.cycles,
        "reason": outcome.reason,
    }


def _write_logs(outcomes: Sequence[Outcome], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for outcome in outcomes:
        name = _identity(outcome.example).replace("/", "_").replace(" ", "_")
        (folder / f"{name}.log").write_text(outcome.output)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
