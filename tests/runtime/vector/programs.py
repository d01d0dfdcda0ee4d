"""Small CSL programs on the vector engine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.runtime.csl.programs import build

from waferc_ir.machine import machine
from waferc_runtime.choices import DEFAULT_CHOICES, Choices
from waferc_runtime.vector.engine import VectorEngine


def engine_of(
    pe: str, arrays: dict[str, str], *, choices: Choices = DEFAULT_CHOICES, **kw: Any
) -> VectorEngine:
    """An engine with the program of one PE file; it exports `main` and arrays of CSL types."""
    names = [f'@export_name("{name}", [*]{dtype}, true);' for name, dtype in arrays.items()]
    symbols = [f'@export_symbol({name}_ptr, "{name}");' for name in arrays]
    pointers = [f"var {name}_ptr: [*]{dtype} = &{name};" for name, dtype in arrays.items()]
    text = "\n".join([pe, *pointers, "comptime {", *symbols, "@export_symbol(main); }"])
    exports = "\n".join([*names, '@export_name("main", fn()void);'])
    arch = kw.get("arch", "wse3")
    return VectorEngine(build(text, exports=exports, **kw), machine(arch), choices=choices)


def ran(pe: str, name: str, count: int, dtype: str, **kw: Any) -> NDArray[Any]:
    """The array `name` of PE (0, 0) after a run of `main`."""
    engine = engine_of(pe, {name: dtype}, **kw)
    engine.launch("main")
    return np.asarray(engine.read(name, 0, 0, 1, 1, count)).reshape(-1)
