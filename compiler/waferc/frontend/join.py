"""Graph programs of a module's entries become one program over the same weights and states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc.frontend.lower import Lowered
from waferc_ir.ops.graph_structure import Entry, Parameter, State
from waferc_ir.program import Program, Statement, Value

Array = NDArray[Any]


def join(
    entries: Mapping[str, Lowered], calls: Mapping[str, int]
) -> tuple[Program, dict[str, Array]]:
    """The program of all entries, and the data of its parameters and states.

    `calls` says how often some of them are expected to be called.

    Parameters of one label and equal data are one; of one label and other data, they are constants
    of their entries, and get other labels.
    """
    weights: dict[str, Array] = {}
    known: dict[str, Value] = {}
    common: list[Statement] = []
    bodies: list[Statement] = []
    name = ""
    for entry, lowered in entries.items():
        name = lowered.program.name
        bodies.append(Statement(Entry(entry, calls.get(entry, 1)), None))
        renamed: dict[Value, Value] = {}
        for statement in lowered.program.statements:
            op, result = statement.op, statement.result
            if not isinstance(op, Parameter | State):
                bodies.append(Statement(op.with_operands(renamed), result, statement.at))
                continue
            assert result is not None
            label, data = op.label, lowered.weights.get(op.label)  # None on the meta device
            first = known.get(label)
            if first is not None and (
                first.type != result.type or not _equal(weights.get(label), data)
            ):
                label = _free(f"{entry}.{label}", known)
                op = type(op)(label, op.shape, op.dtype)
            if label not in known:
                common.append(Statement(op, result, statement.at))
                known[label] = result
                if data is not None:
                    weights[label] = data
            renamed[result] = known[label]
    return Program("graph", name, (*common, *bodies)), weights


def _equal(first: Array | None, second: Array | None) -> bool:
    if first is None or second is None:
        return first is second
    return np.array_equal(first, second, equal_nan=first.dtype.kind == "f")


def _free(label: str, taken: Mapping[str, Value]) -> str:
    found, number = label, 1
    while found in taken:
        number += 1
        found = f"{label}_{number}"
    return found
