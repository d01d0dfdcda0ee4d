"""The long fuzzer: `python -m tests.fuzz.csl --seconds N [--seed S] [--save FOLDER]`.

Ends with exit code 1 if anything but an error of ours came out; each finding is told once per place
in the source where it came from, and saved with all its files.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.fuzz.attempt import Hang, attempt, place_of
from tests.fuzz.mutate import mutated
from tests.fuzz.seeds import Seed, seeds

_BYTES = 6 << 30  # of address space: more is a MemoryError, which is a finding


def damaged(seed: Seed, random: random.Random) -> Seed:
    """The program with one of its files damaged; files that its layout names are likelier."""
    top = seed.sources[seed.layout]
    named = [name for name in seed.sources if Path(name).name in top]
    path = random.choice(named) if named and random.random() < 0.7 else seed.layout
    text = mutated(seed.sources[path], random)
    return Seed({**seed.sources, path: text}, seed.layout, seed.params, seed.arch)


def main() -> int:
    """Fuzz for a while; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.csl")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=20, help="seconds to elaborate")
    parser.add_argument("--save", type=Path, help="folder for programs that were found")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
    chance = random.Random(arguments.seed)
    programs = seeds()
    counts: Counter[str] = Counter()
    found: Counter[str] = Counter()
    end = time.monotonic() + arguments.seconds
    while time.monotonic() < end:
        program = damaged(chance.choice(programs), chance)
        try:
            counts[attempt(program, arguments.limit).how] += 1
        except (Hang, Exception) as problem:
            place = place_of(problem)
            found[place] += 1
            if found[place] == 1:
                print(f"FOUND {place}", flush=True)
                if arguments.save is not None:
                    _save(program, problem, arguments.save / f"{len(found):03}")
    print(f"{counts.total():,} programs: {dict(counts)}; {found.total()} findings at {len(found)}")
    return 1 if found else 0


def _save(program: Seed, problem: BaseException, folder: Path) -> None:
    for name, text in program.sources.items():
        if ".." not in name:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    told = "".join(traceback.format_exception(problem)[-30:])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "problem.txt").write_text(f"{program.layout} {program.params}\n{told}")


if __name__ == "__main__":
    sys.exit(main())
