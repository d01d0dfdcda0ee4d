"""`waferc report` and `waferc trace`: where the cycles of a call go."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from waferc import cli_files as files
from waferc.compiled import Compiled, load
from waferc.kernels import kernel_costs, kernels_of
from waferc.page.page import page
from waferc.progress import Progress
from waferc.report import Report
from waferc.report_tables import MOST_KERNELS, tables
from waferc.trace import trace
from waferc_runtime.host.engines import ENGINES

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage]


def add_parsers(verbs: Verbs) -> None:
    """Add the verbs to the command line."""
    one = verbs.add_parser(
        "report",
        help="cycles by kernel, memory, traffic and energy of a call",
        description="Run a bundle once and say where the cycles go.",
    )
    _add_call(one)
    one.add_argument("--all", action="store_true", help="all kernels, in order of the program")
    one.add_argument(
        "--html", type=Path, metavar="PAGE.html",
        help="also a page for the browser: floor plan with heat maps, kernels over time",
    )  # fmt: skip

    one = verbs.add_parser(
        "trace",
        help="a call over time, for ui.perfetto.dev",
        description="Run a bundle once and write when each kernel ran on each region, for "
        "ui.perfetto.dev or chrome://tracing.",
    )
    _add_call(one)
    one.add_argument("output", type=Path, metavar="TRACE.json", help="what is written")


def add_call(parser: argparse.ArgumentParser) -> None:
    """Add what names a call: the bundle, its entry, and the engine."""
    parser.add_argument("bundle", type=Path, help="folder that `waferc compile -o` wrote")
    parser.add_argument(
        "--entry", metavar="NAME", help="which entry of the bundle, where it has several"
    )
    parser.add_argument(
        "--engine", default="vector", choices=tuple(ENGINES),
        help="vector: fast; reference: one wavelet at a time; phantom: cycles without data"
        " (%(default)s)",
    )  # fmt: skip


def called(arguments: argparse.Namespace) -> Compiled:
    """The bundle's model, with the entry that is named."""
    compiled = load(arguments.bundle, engine=arguments.engine)
    return compiled if arguments.entry is None else compiled[arguments.entry]


def _add_call(parser: argparse.ArgumentParser) -> None:
    add_call(parser)
    parser.add_argument(
        "--input", type=Path, metavar="X.npz", help="inputs by label; zeros if none"
    )


def report_bundle(arguments: argparse.Namespace) -> int:
    """`waferc report`: costs of a call on the given inputs, or on zeros."""
    compiled, report = _watched(arguments)
    html = "" if arguments.html is None else page(compiled.session, report)
    print(report)
    if report.watched is not None:
        print(tables(report.watched, None if arguments.all else MOST_KERNELS))
    if arguments.html is not None:
        files.write_text(arguments.html, html)
        print(f"wrote {arguments.html}", file=sys.stderr)
    return 0


def trace_bundle(arguments: argparse.Namespace) -> int:
    """`waferc trace`: when each kernel ran, as a file for Perfetto."""
    compiled, _ = _watched(arguments)
    call = compiled.session.last_call
    assert call is not None
    assert call.profile is not None
    costs = kernel_costs(kernels_of(compiled.bundle.manifest), call.profile)
    files.write_text(arguments.output, trace(costs, call.profile))
    print(f"wrote {arguments.output}", file=sys.stderr)
    return 0


def _watched(arguments: argparse.Namespace) -> tuple[Compiled, Report]:
    """The model and the report after one watched call."""
    compiled = called(arguments)
    inputs = None if arguments.input is None else files.read_arrays(arguments.input)
    with Progress().step(f"run {compiled.bundle.manifest.name}"):
        return compiled, compiled.profile(inputs)
