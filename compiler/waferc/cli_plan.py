"""Options of the command line for what a model is compiled to: machine, grid, floats, search."""

from __future__ import annotations

import argparse
from typing import Any

from waferc.options import BUDGET_SECONDS, FLOATS, LEVELS, parse_calls, parse_region, parse_stages


def add_options(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:  # pyright: ignore[reportPrivateUsage]
    """Add the options of a compilation."""
    parser.add_argument("--target", default="wse3", help="machine (`waferc machines`; %(default)s)")
    parser.add_argument(
        "--region", metavar="WxH", help="PEs of each stage's region; the smallest that fits"
    )
    parser.add_argument("--dtype", default="f32", choices=FLOATS, help="floats (%(default)s)")
    parser.add_argument(
        "--stages",
        metavar="N",
        help="regions joined by streams; auto: one for each repeated block (1; -O2: the better)",
    )
    parser.add_argument(
        "--wafers", type=int, default=1, metavar="N",
        help="how many wafers regions may take; they take as few as they fit on (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "-O", dest="optimize", type=int, choices=LEVELS, default=1,
        help="0: layouts one by one, memory first; 1: searched layouts; 2: grids and stages too "
        "(%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--time-budget", type=float, metavar="SECONDS", help=f"for -O2 ({BUDGET_SECONDS:g})"
    )
    parser.add_argument(
        "--measure", type=int, default=0, metavar="N",
        help="-O2: run the best N plans without data, and take the fastest",
    )  # fmt: skip
    parser.add_argument(
        "--calls", action="append", default=[], metavar="ENTRY=N",
        help="how often an entry is expected to be called, beside the others (1)",
    )  # fmt: skip


def options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments of `waferc.compile` and of `CompileOptions`. Raises OptionError."""
    return {
        "target": arguments.target,
        "region": None if arguments.region is None else parse_region(arguments.region),
        "dtype": arguments.dtype,
        "stages": None if arguments.stages is None else parse_stages(arguments.stages),
        "wafers": arguments.wafers,
        "optimize": arguments.optimize,
        "time_budget": arguments.time_budget,
        "measure": arguments.measure,
        "calls": parse_calls(arguments.calls),
    }
