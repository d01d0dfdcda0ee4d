"""One program per PE, inside the rectangle; everything it holds fits its SRAM."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import WaferError
from waferc_ir.machine import Machine
from waferc_runtime.check.problems import CheckError, count_note, first_pe, name_pe
from waferc_runtime.csl.core import Elaborated, PEClass

WORD_BYTES = 2
_TABLE_ROWS = 8


def check_placement(program: Elaborated) -> list[WaferError]:
    """Every PE of the rectangle has exactly one program, and no PE outside has any."""
    problems: list[WaferError] = []
    owners: NDArray[np.int64] = np.zeros((program.height, program.width), np.int64)
    for pe_class in program.classes:
        outside = (
            (pe_class.x < 0)
            | (pe_class.x >= program.width)
            | (pe_class.y < 0)
            | (pe_class.y >= program.height)
        )
        if outside.any():
            lane = int(np.flatnonzero(outside)[0])
            place = name_pe(int(pe_class.x[lane]), int(pe_class.y[lane]))
            problems.append(
                CheckError(
                    f"{pe_class.file} is placed on {place}, outside the rectangle of"
                    f" {program.width} x {program.height} PEs",
                    notes=[f"{int(outside.sum()):,} of its PEs lie outside"],
                )
            )
        np.add.at(owners, (pe_class.y[~outside], pe_class.x[~outside]), 1)
    if (owners > 1).any():
        where = owners > 1
        x, y = first_pe(where)
        files = [c.file for c in program.classes for _ in range(_times(c, x, y))]
        problems.append(
            CheckError(
                f"{name_pe(x, y)} is given code {owners[y, x]} times",
                notes=[f"by {', '.join(files)}", *count_note(where)],
                help="move one of the regions",
            )
        )
    if (owners == 0).any():
        where = owners == 0
        x, y = first_pe(where)
        problems.append(
            CheckError(
                f"{name_pe(x, y)} has no code",
                notes=count_note(where),
                help="every PE of the rectangle needs @set_tile_code",
            )
        )
    return problems


def _times(pe_class: PEClass, x: int, y: int) -> int:
    return int(((pe_class.x == x) & (pe_class.y == y)).sum())


def data_bytes(pe_class: PEClass) -> int:
    """Bytes up to the end of the last memory object of a PE of this class."""
    ends = [item.address + item.count * item.element.words for item in pe_class.objects]
    return max(ends, default=0) * WORD_BYTES


def check_memory(program: Elaborated, machine: Machine) -> list[WaferError]:
    """The objects of a class do not overlap; with code and stack they fit the SRAM of a PE."""
    problems: list[WaferError] = []
    for pe_class in program.classes:
        problems += _overlaps(pe_class)
        fixed = max(pe_class.code_bytes, machine.reserved_bytes)
        data = data_bytes(pe_class)
        if data + fixed > machine.sram_bytes:
            problems.append(_too_large(pe_class, data, fixed, machine))
    return problems


def _overlaps(pe_class: PEClass) -> list[WaferError]:
    placed = sorted((item for item in pe_class.objects if item.count), key=lambda o: o.address)
    problems: list[WaferError] = []
    for before, after in pairwise(placed):
        end = before.address + before.count * before.element.words
        if after.address < end:
            problems.append(
                CheckError(
                    f"{before.name} and {after.name} of {pe_class.file} overlap in SRAM",
                    after.at,
                    notes=[
                        f"{before.name} takes words {before.address} to {end - 1},"
                        f" {after.name} begins at word {after.address}"
                    ],
                )
            )
    return problems


def _too_large(pe_class: PEClass, data: int, fixed: int, machine: Machine) -> WaferError:
    by_size = sorted(
        ((item.count * item.element.words * WORD_BYTES, item.name) for item in pe_class.objects),
        reverse=True,
    )
    rows = [(size, name) for size, name in by_size[:_TABLE_ROWS]]
    rest = sum(size for size, _ in by_size[_TABLE_ROWS:])
    if rest:
        rows.append((rest, f"{len(by_size) - _TABLE_ROWS} smaller objects"))
    rows.append((fixed, "code, stack and descriptors"))
    width = max(len(f"{size:,}") for size, _ in rows)
    x, y = int(pe_class.x[0]), int(pe_class.y[0])
    need = data + fixed
    return CheckError(
        f"{name_pe(x, y)} needs {need:,} bytes of SRAM and has {machine.sram_bytes:,}",
        notes=[
            f"{len(pe_class.x):,} PEs run {pe_class.file}",
            *(f"{size:>{width},} bytes  {name}" for size, name in rows),
        ],
        help=f"it is {need - machine.sram_bytes:,} bytes too much: use more PEs or f16",
    )
