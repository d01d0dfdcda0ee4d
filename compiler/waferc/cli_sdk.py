"""`waferc sdk`: runs a command with the vendor's commands and modules played by this wafer."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from waferc_runtime.choices import DATAPATH_USES, DEFAULT_CHOICES, TASK_ORDERS, Choices
from waferc_runtime.drop_in import environment
from waferc_runtime.host.engines import ENGINES
from waferc_runtime.host.errors import HostError
from waferc_runtime.host.settings import Settings

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage]


def add_parser(verbs: Verbs) -> None:
    """Add the verb to the command line."""
    one = verbs.add_parser(
        "sdk",
        help="run a script written for the vendor's software",
        description="Run a command in which `cslc`, `cs_python` and the module `cerebras` are "
        "those of the virtual wafer: `waferc sdk -- bash commands_wse3.sh`.",
    )
    add_engine(one)
    one.add_argument(
        "--statistics", type=Path, metavar="FILE", help="append cycles of each program run, as JSON"
    )
    one.add_argument("command", nargs="+", metavar="COMMAND", help="after --")


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose an engine and what the machine's documents leave open."""
    parser.add_argument(
        "--engine", default="vector", choices=tuple(ENGINES),
        help="vector: fast; reference: one wavelet at a time (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--task-order", default=DEFAULT_CHOICES.task_order, choices=TASK_ORDERS,
        help="which of several runnable tasks starts (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="for --task-order random")
    parser.add_argument(
        "--max-cycles", type=_cycles, metavar="N", help="work of a PE past this cycle is an error"
    )
    parser.add_argument(
        "--datapath", default=DEFAULT_CHOICES.datapath, choices=DATAPATH_USES,
        help="shared: operations in progress on a PE take turns (reference engine; %(default)s)",
    )  # fmt: skip


def _cycles(text: str) -> int:
    if not text.isdecimal() or len(text) > 18 or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of cycles")
    return int(text)


def choices(arguments: argparse.Namespace) -> Choices:
    """What the options of `add_engine` say.

    Raises:
        HostError: the seed is negative, or the engine has no such datapath.
    """
    if arguments.datapath == "shared" and arguments.engine != "reference":
        raise HostError("--datapath shared needs --engine reference")
    if arguments.seed < 0:
        raise HostError(f"--seed {arguments.seed}: seeds are not negative")
    return Choices(arguments.task_order, arguments.seed, arguments.datapath)


def run_command(arguments: argparse.Namespace) -> int:
    """`waferc sdk`: the exit code of the command."""
    settings = Settings(
        arguments.engine, choices(arguments), arguments.statistics, arguments.max_cycles
    )
    return environment.run_command(arguments.command, settings)
