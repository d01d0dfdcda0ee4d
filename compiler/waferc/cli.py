"""The command line: parses arguments, calls the verbs, turns errors into text and exit codes.

Exit code 0: good; 1: the input is wrong, or outputs differ; 2: the command is wrong.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from waferc import cli_csl, cli_generate, cli_plan, cli_report, cli_sdk
from waferc import cli_verbs as verbs
from waferc_ir.diagnostics import WaferError

_MODEL_HELP = (
    "MODULE.py:FACTORY or FILE.pt2. The module is your own code and is run: FACTORY() returns an "
    "nn.Module, (nn.Module, example inputs), or (nn.Module, {entry: example inputs})"
)


def run(arguments: Sequence[str]) -> int:
    """Run a command line (without the program's name) and return the exit code."""
    parser = build_parser()
    try:
        parsed = parser.parse_args(arguments)
    except SystemExit as end:  # argparse has printed help or its complaint
        return int(end.code or 0)
    try:
        return VERBS[parsed.verb](parsed)
    except WaferError as problem:
        print(problem.render(), file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 0  # whoever read our output has seen enough
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as problem:  # a bug: everything that users can do wrong is a WaferError
        print(_bug(problem), file=sys.stderr)
        return 1


def build_parser() -> argparse.ArgumentParser:
    """The parser of all verbs."""
    parser = argparse.ArgumentParser(
        prog="waferc",
        description="Compile PyTorch models to CSL for wafer-scale engines, and run the CSL on "
        "a virtual wafer.",
    )
    verbs_parser = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    one = verbs_parser.add_parser(
        "compile",
        help="a PyTorch model to a bundle of CSL, weights and manifest",
        description="Compile a PyTorch model and write a bundle, or print the program.",
    )
    one.add_argument("model", help=_MODEL_HELP)
    one.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder of the bundle")
    one.add_argument(
        "--input", action="append", default=[], metavar="SHAPE",
        help="shape and type of an example input, such as 1x784xf32 or 1x64xi64; once for each "
        "positional argument",
    )  # fmt: skip
    cli_plan.add_options(one)
    one.add_argument("--name", help="what the program is called")
    one.add_argument(
        "--emit", choices=("graph", "tiled", "csl"), help="print this form of the program"
    )
    one.add_argument(
        "--dump-after", action="append", default=[], metavar="PASS",
        help="print the program after a pass (`waferc passes`)",
    )  # fmt: skip
    one.add_argument("--time-passes", action="store_true", help="seconds of each pass, to stderr")

    one = verbs_parser.add_parser("run", help="run a bundle on inputs")
    cli_report.add_call(one)
    one.add_argument("--input", type=Path, metavar="X.npz", help="inputs by label")
    one.add_argument(
        "-o", "--output", type=Path, required=True, metavar="Y.npz", help="outputs by label"
    )

    one = verbs_parser.add_parser(
        "verify",
        help="compare a bundle with PyTorch or with saved outputs",
        description="Compare a bundle's outputs with those of the PyTorch model, or with saved "
        "ones. The tolerance follows from the element type and the sums that errors add up in.",
    )
    cli_report.add_call(one)
    what = one.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", help=_MODEL_HELP)
    what.add_argument("--expected", type=Path, metavar="Y.npz", help="outputs by label")
    one.add_argument(
        "--input", type=Path, metavar="X.npz",
        help="inputs by label; by default the example inputs of FACTORY()",
    )  # fmt: skip
    one.add_argument(
        "--tolerance", type=float, metavar="T", help="largest relative L2 error instead"
    )

    cli_report.add_parsers(verbs_parser)
    one = verbs_parser.add_parser(
        "opt",
        help="run passes on a program's text",
        description="Read IR text, run passes, print IR text.",
    )
    one.add_argument("file", help="a .wir file, or - for standard input")
    one.add_argument(
        "-p", "--passes", default="", metavar="PASSES", help="such as decompose,tile{width=4}"
    )
    one.add_argument("--target", default="wse3", help="machine (%(default)s)")
    one.add_argument(
        "--weights", type=Path, metavar="W.safetensors", help="data of the parameters, by label"
    )
    one.add_argument("--places", action="store_true", help="print source places too")
    one.add_argument("--time-passes", action="store_true", help="seconds of each pass, to stderr")

    cli_generate.add_parser(verbs_parser)
    cli_csl.add_parser(verbs_parser)
    cli_sdk.add_parser(verbs_parser)

    one = verbs_parser.add_parser("machines", help="known machines, their constants and sources")
    one.add_argument("name", nargs="?", help="all constants of this machine")
    one.add_argument(
        "--validate", action="store_true",
        help="measure the cycle model against published numbers; exit code 1 if one is missed",
    )  # fmt: skip
    one.add_argument("--quick", action="store_true", help="only what takes about a second each")
    one.add_argument(
        "--engine", default="vector", choices=("vector", "reference"),
        help="what measures; reference: small points only (%(default)s)",
    )  # fmt: skip
    one = verbs_parser.add_parser("ops", help="operations of the IR, or PyTorch's that are known")
    one.add_argument("name", nargs="?", help="only operations whose name contains this")
    one.add_argument("--torch", action="store_true", help="PyTorch operators that can be lowered")
    one = verbs_parser.add_parser("passes", help="passes in the order of the pipeline")
    one.add_argument("name", nargs="?", help="help and options of this pass")
    return parser


VERBS = {
    "compile": verbs.compile_model,
    "run": verbs.run_bundle,
    "verify": verbs.verify_bundle,
    "report": cli_report.report_bundle,
    "trace": cli_report.trace_bundle,
    "generate": cli_generate.run_verb,
    "opt": verbs.optimise,
    "csl": cli_csl.run_verb,
    "sdk": cli_sdk.run_command,
    "machines": verbs.list_machines,
    "ops": verbs.list_ops,
    "passes": verbs.list_passes,
}


def _bug(problem: Exception) -> str:
    frames = traceback.extract_tb(problem.__traceback__)
    lines = [f"this is a bug in waferc: {type(problem).__name__}: {problem}"]
    lines += [
        f"  in {frame.name}, {Path(frame.filename).name}:{frame.lineno}" for frame in frames[-3:]
    ]
    lines.append("  = help: report it with the command and its input")
    return "\n".join(lines)
