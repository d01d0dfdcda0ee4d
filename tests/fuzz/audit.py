"""Runs a program under an audit hook; exit code 1 if anything reaches Python's evaluator.

A process of its own, as a hook stays. What libraries compile when they are first used is done
with by a first run of the same program; its names are others in the second.
"""

from __future__ import annotations

import sys
from typing import Any

from tests.fuzz.attempt import Outcome, attempt
from tests.fuzz.seeds import Seed, small


def main() -> int:
    """Run twice, listen the second time."""
    heard: list[str] = []
    is_on = False

    def hook(event: str, _arguments: tuple[Any, ...]) -> None:
        if is_on and event in ("compile", "exec"):
            heard.append(event)

    program = small()
    renamed = {
        name: text.replace("total", "evil").replace("8", "9")
        for name, text in program.sources.items()
    }
    assert attempt(program) == Outcome("ran")
    sys.addaudithook(hook)
    is_on = True
    outcome = attempt(Seed(renamed, program.layout, program.params, program.arch))
    own = len(heard)
    compile("1 + 1", "a check that the hook hears", "eval")
    is_on = False
    print(outcome, heard)
    return 0 if outcome == Outcome("ran") and own == 0 and len(heard) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
