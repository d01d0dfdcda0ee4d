"""Functions of libraries that CSL cannot say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from waferc_ir.diagnostics import Location
from waferc_runtime.builtins.math import MATH_FUNCTIONS
from waferc_runtime.builtins.scalar import from_item
from waferc_runtime.csl import core
from waferc_runtime.reference.evaluate import address, memory_faults, number, scalar_type
from waferc_runtime.reference.memory import Value
from waferc_runtime.reference.state import State
from waferc_runtime.reference.thread import Thread


def library(
    state: State,
    thread: Thread,
    name: str,
    arguments: Sequence[Value],
    types: Sequence[core.CoreType],
    at: Location | None,
) -> Value:
    """A call of a library function."""
    function = MATH_FUNCTIONS.get(name)
    if function is not None:
        arrays = [
            np.asarray([number(argument)], scalar_type(kind).numpy)
            for argument, kind in zip(arguments, types, strict=True)
        ]
        return from_item(function.compute(*arrays)[0])
    match name:
        case "memcpy.unblock_cmd_stream":
            state.holds_commands = False
            return None
        case "layout.get_x_coord":
            return state.x
        case "layout.get_y_coord":
            return state.y
        case "time.enable_tsc" | "time.disable_tsc":
            return None
        case "time.reset_tsc_counter":
            state.timestamp_zero = thread.clock
            return None
        case "time.get_timestamp":
            with memory_faults(state, thread, at):
                for place in range(3):
                    part = ((thread.clock - state.timestamp_zero) >> (16 * place)) & 0xFFFF
                    target = address(arguments[0]).moved(place, core.Scalar.U16)
                    target.store(part, core.Scalar.U16)
            return None
        case "random.next16":
            return int(state.generators.next16(0))
        case "random.set_active":
            state.generators.set_active(0, int(number(arguments[0])))
            return None
        case "random.set_seed":
            state.generators.set_seed(0, int(number(arguments[0])))
            return None
        case _:
            raise state.error(f"{name} is called, which is not supported,", thread, at)
