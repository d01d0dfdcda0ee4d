"""What a host needs of an engine, and the engines by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from waferc_ir.machine import Machine
from waferc_runtime.choices import DEFAULT_CHOICES, Choices
from waferc_runtime.csl.core import Elaborated, Scalar
from waferc_runtime.observer import Observer
from waferc_runtime.reference.engine import ReferenceEngine
from waferc_runtime.statistics import Statistics
from waferc_runtime.vector.engine import VectorEngine

Array = NDArray[Any]
EngineName = Literal["vector", "reference", "phantom"]
PHANTOM = "phantom"


class Engine(Protocol):
    """A virtual wafer that holds one elaborated program."""

    def write(self, symbol: str, x: int, y: int, array: Array) -> None:
        """Copy `array` [h, w, n] to where exported pointers of PEs from (x, y) on point."""
        ...

    def read(self, symbol: str, x: int, y: int, width: int, height: int, n: int) -> Array:
        """The `n` elements [h, w, n] that exported pointers of a rectangle of PEs point to."""
        ...

    def start(self) -> None:
        """Start the wafer: tasks that are active from the beginning run, until it is at rest.

        What follows starts it by itself if need be; a second start does nothing.
        """
        ...

    def launch(self, function: str, *args: int | float, wait: bool = True) -> None:
        """Call an exported function on every PE that exports it and run until at rest.

        Without `wait` it is no error that PEs still wait for something then; see `finish`.

        Raises:
            RunError: a PE does what it may not do, or (`wait`) PEs still wait at rest.
        """
        ...

    def send(self, color: int, x: int, y: int, words: Array) -> None:
        """Send wavelets `words` [h, w, n] u32 on a streaming color to the ramps of PEs.

        One wavelet arrives per PE and cycle from now on, as its queue takes them; the host holds
        what is not taken yet. Runs until the wafer is at rest.
        """
        ...

    def received(self, color: int, x: int, y: int, width: int, height: int) -> Array:
        """How many wavelets of a streaming color have come to the host from each PE: [h, w]."""
        ...

    def receive(self, color: int, x: int, y: int, width: int, height: int, n: int) -> Array:
        """Take the next `n` wavelets [h, w, n] u32 that PEs sent on a streaming color.

        Raises:
            RunError: the wafer is at rest and some PE has sent fewer; it names who waits for whom.
        """
        ...

    def finish(self) -> None:
        """Demand that all PEs called `unblock_cmd_stream` since their last launch.

        PEs that do not import `<memcpy/memcpy>` need not.

        Raises:
            RunError: some have not, and the wafer is at rest; it names who waits for whom.
        """
        ...

    def expect_rest(self) -> None:
        """Demand that no PE waits for anything, now that the host will send nothing more.

        Raises:
            RunError: some do; it names who waits for whom.
        """
        ...

    def symbol(self, x: int, y: int, name: str, element: Scalar | None = None) -> Array:
        """All elements of a global variable of PE (x, y), by the debugger's name.

        Raises:
            RunError: no such PE, or no such variable there.
        """
        ...

    def statistics(self) -> Statistics:
        """Counts over all launches so far."""
        ...

    def link_loads(self) -> Mapping[int, Array]:
        """Words that left PEs eastward, westward, northward, southward: [4, h, w] by color."""
        ...


class EngineFactory(Protocol):
    """What makes an engine that holds a program: a class of engines, for one."""

    def __call__(
        self,
        elaborated: Elaborated,
        machine: Machine,
        choices: Choices = DEFAULT_CHOICES,
        observer: Observer | None = None,
        *,
        max_cycles: int | None = None,
    ) -> Engine:
        """`max_cycles`: work of a PE past that cycle is a RunError; None: it may go on for ever."""
        ...


ENGINES: Mapping[str, EngineFactory] = MappingProxyType(
    {
        "vector": VectorEngine,
        "reference": ReferenceEngine,
        PHANTOM: partial(VectorEngine, phantom=True),  # cycles without data
    }
)
