"""How host scripts are run, where they cannot say it themselves: from environment variables.

`waferc sdk` sets them: a script that was written for the vendor's software has no words for
engines.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from waferc_runtime.choices import DATAPATH_USES, DEFAULT_CHOICES, TASK_ORDERS, Choices
from waferc_runtime.host.engines import ENGINES
from waferc_runtime.host.errors import HostError

ENGINE = "WAFERC_ENGINE"
TASK_ORDER = "WAFERC_TASK_ORDER"
SEED = "WAFERC_SEED"
DATAPATH = "WAFERC_DATAPATH"
STATISTICS = "WAFERC_STATISTICS"
MAX_CYCLES = "WAFERC_MAX_CYCLES"


@dataclass(frozen=True, slots=True)
class Settings:
    """How a program runs.

    `stop` appends a line to the file `statistics`; work of a PE past `max_cycles` is an error.
    """

    engine: str = "vector"
    choices: Choices = DEFAULT_CHOICES
    statistics: Path | None = None
    max_cycles: int | None = None

    def variables(self) -> dict[str, str]:
        """The environment variables that `from_environment` reads these settings from."""
        variables = {
            ENGINE: self.engine,
            TASK_ORDER: self.choices.task_order,
            SEED: str(self.choices.seed),
            DATAPATH: self.choices.datapath,
        }
        if self.statistics is not None:
            variables[STATISTICS] = str(self.statistics.absolute())
        if self.max_cycles is not None:
            variables[MAX_CYCLES] = str(self.max_cycles)
        return variables


def from_environment(variables: Mapping[str, str] = os.environ) -> Settings:
    """The settings that environment variables give; defaults where they are not set.

    Raises:
        HostError: a variable has a value that it cannot have.
    """
    engine = variables.get(ENGINE, "vector")
    if engine not in ENGINES:
        raise HostError(f"{ENGINE}: no engine is called {engine!r}", help=_known(ENGINES))
    order = variables.get(TASK_ORDER, DEFAULT_CHOICES.task_order)
    if order not in TASK_ORDERS:
        raise HostError(f"{TASK_ORDER}: no order is called {order!r}", help=_known(TASK_ORDERS))
    seed = _number(SEED, variables.get(SEED, "0"))
    datapath = variables.get(DATAPATH, DEFAULT_CHOICES.datapath)
    if datapath not in DATAPATH_USES:
        raise HostError(f"{DATAPATH}: it is not {datapath!r}", help=_known(DATAPATH_USES))
    file = variables.get(STATISTICS)
    limit = variables.get(MAX_CYCLES)
    return Settings(
        engine,
        Choices(order, seed, datapath),
        None if not file else Path(file),
        None if not limit else _number(MAX_CYCLES, limit),
    )


def _number(name: str, text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise HostError(f"{name} is {text!r}, not a whole number")
    return int(text)


def _known(names: Mapping[str, object] | tuple[str, ...]) -> str:
    return f"known: {', '.join(names)}"
