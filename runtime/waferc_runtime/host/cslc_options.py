"""The command line of `cslc`: the flags that public scripts use, checked."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from waferc_ir.machine import Arch
from waferc_runtime.host.errors import HostError

DEFAULT_ARCH: Arch = "wse2"  # public scripts for wse2 leave --arch out, those for wse3 do not
_NUMBER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|[0-9]+)\Z")
_NAME = re.compile(r"[A-Za-z_]\w{0,199}\Z")
_HALO_COLUMNS = 7  # of the host's network: 4 west of the program, 3 east (csl.md 11.3)
_HALO_ROWS = 2


@dataclass(frozen=True, slots=True)
class CslcOptions:
    """What to compile and how. `fabric` and `offsets` are (x, y); `output` is a folder."""

    layout: str
    arch: Arch
    params: Mapping[str, int]
    colors: Mapping[str, int]
    import_paths: tuple[str, ...] = ()
    output: str = "out"
    memcpy: bool = False
    fabric: tuple[int, int] | None = None
    offsets: tuple[int, int] = (4, 1)
    buffers: tuple[int, int] = (0, 0)
    verbose: bool = False

    def check_fabric(self, width: int, height: int) -> None:
        """That a program of `width` x `height` PEs fits the fabric that was asked for.

        Raises:
            HostError: it does not.
        """
        if self.fabric is None:
            return
        needed = width, height
        if self.memcpy:
            needed = width + _HALO_COLUMNS + sum(self.buffers), height + _HALO_ROWS
        if needed[0] > self.fabric[0] or needed[1] > self.fabric[1]:
            raise HostError(
                f"the program has {width} x {height} PEs and needs a fabric of "
                f"{needed[0]} x {needed[1]}; --fabric-dims={self.fabric[0]},{self.fabric[1]}",
                notes=["the host's network takes 7 columns, 2 rows and the buffers around it"]
                if self.memcpy
                else [],
            )


class _Parser(argparse.ArgumentParser):
    """Raises what argparse would print."""

    def error(self, message: str) -> NoReturn:
        raise HostError(f"cslc: {message}", help="cslc --help lists the flags")


def parse_cslc(arguments: Sequence[str]) -> CslcOptions:
    """The options that a command line of `cslc` (without the program's name) gives.

    Raises:
        HostError: a flag is unknown, lacks its value, or has one that is not of its form.
        SystemExit: help was asked for and has been printed.
    """
    given = _parser().parse_args(list(arguments))
    program = program_of(given)
    if given.fp16_format not in (None, "ieee"):
        raise HostError(f"--fp16-format={given.fp16_format} is not supported; f16 is IEEE here")
    return replace(
        program,
        output=given.o,
        memcpy=given.memcpy,
        fabric=None if given.fabric_dims is None else _pair("--fabric-dims", given.fabric_dims),
        offsets=_pair("--fabric-offsets", given.fabric_offsets),
        buffers=(given.width_west_buf, given.width_east_buf),
        verbose=given.verbose,
    )


def program_of(given: argparse.Namespace) -> CslcOptions:
    """What the flags of `add_program_flags` say.

    Raises:
        HostError: a flag has a value that is not of its form.
    """
    params = _assignments("--params", given.params)
    colors = _assignments("--colors", given.colors)
    both = params.keys() & colors.keys()
    if both:
        raise HostError(f"{', '.join(sorted(both))} is given by --params and by --colors")
    return CslcOptions(given.layout, given.arch, params, colors, tuple(given.import_path))


def add_program_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say which program is meant."""
    parser.add_argument("layout", help="the layout file")
    parser.add_argument(
        "--arch", choices=("wse2", "wse3"), default=DEFAULT_ARCH, help="(%(default)s)"
    )
    parser.add_argument(
        "--params",
        action="append",
        default=[],
        metavar="NAME:VALUE,...",
        help="params of the layout",
    )
    parser.add_argument(
        "--colors", action="append", default=[], metavar="NAME:VALUE,...", help="params, as colors"
    )
    parser.add_argument(
        "--import-path",
        action="append",
        default=[],
        metavar="DIR",
        help="where <name> is looked for",
    )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="cslc",
        description="Check a CSL program and write what the virtual wafer runs to a folder.",
        allow_abbrev=False,
    )
    add_program_flags(parser)
    parser.add_argument("-o", default="out", metavar="DIR", help="output folder (%(default)s)")
    parser.add_argument("--memcpy", action="store_true", help="with the host's network")
    parser.add_argument("--fabric-dims", metavar="W,H")
    parser.add_argument("--fabric-offsets", default="4,1", metavar="X,Y")
    parser.add_argument("--channels", type=int, default=1, help="changes nothing here")
    parser.add_argument("--width-west-buf", type=int, default=0, metavar="N")
    parser.add_argument("--width-east-buf", type=int, default=0, metavar="N")
    parser.add_argument("--fp16-format", metavar="FORMAT", help="only ieee")
    parser.add_argument("--max-inlined-iterations", type=int, help="changes nothing here")
    parser.add_argument("--max-parallelism", type=int, help="changes nothing here")
    parser.add_argument("--link-section-start-address-bytes", help="changes nothing here")
    parser.add_argument("--verbose", action="store_true")
    return parser


def _assignments(flag: str, texts: Sequence[str]) -> dict[str, int]:
    values: dict[str, int] = {}
    for part in ",".join(texts).split(","):
        if not part:
            continue
        name, colon, value = (piece.strip() for piece in part.partition(":"))
        if not colon or not _NAME.match(name):
            raise HostError(f"{flag}: {part!r} is no assignment", help="write NAME:VALUE")
        if not _NUMBER.match(value):
            raise HostError(f"{flag}: {name} is given {value!r}, which is no integer")
        if name in values:
            raise HostError(f"{flag}: {name} is given twice")
        values[name] = int(value, 0) if value.lstrip("+-")[1:2].isalpha() else int(value)
    return values


def _pair(flag: str, text: str) -> tuple[int, int]:
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise HostError(f"{flag}: {text!r} is not of the form W,H")
    return int(parts[0]), int(parts[1])
