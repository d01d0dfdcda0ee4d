"""What a host needs of an engine, and the engines by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.csl.core import Elaborated
from waferc_runtime.reference.engine import ReferenceEngine
from waferc_runtime.statistics import Statistics
from waferc_runtime.vector.engine import VectorEngine

Array = NDArray[Any]
EngineName = Literal["vector", "reference"]


class Engine(Protocol):
    """A virtual wafer that holds one elaborated program."""

    def write(self, symbol: str, x: int, y: int, array: Array) -> None:
        """Copy `array` [h, w, n] to where exported pointers of PEs from (x, y) on point."""
        ...

    def read(self, symbol: str, x: int, y: int, width: int, height: int, n: int) -> Array:
        """The `n` elements [h, w, n] that exported pointers of a rectangle of PEs point to."""
        ...

    def launch(self, function: str, *args: int | float) -> None:
        """Call an exported function on every PE and run until the wafer is at rest."""
        ...

    def statistics(self) -> Statistics:
        """Counts over all launches so far."""
        ...


EngineFactory = Callable[[Elaborated, Machine], Engine]
ENGINES: Mapping[str, EngineFactory] = MappingProxyType(
    {"vector": VectorEngine, "reference": ReferenceEngine}
)
