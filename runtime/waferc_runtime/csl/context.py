"""What evaluation works on: the program, a class of PEs or the layout, instances, scopes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import Location
from waferc_ir.machine import Machine
from waferc_runtime.csl import core, syntax
from waferc_runtime.csl.diagnostics import CslError, Problems, suggestion
from waferc_runtime.csl.parse import parse
from waferc_runtime.csl.placement import ColorConfig, LayoutUse
from waferc_runtime.csl.search import find, is_library, library_names, library_text
from waferc_runtime.csl.types import CslType
from waferc_runtime.csl.values import Cell, InstanceLike, Number, StructValue, Value

MAX_ITERATIONS = 20_000_000  # of all loops at compile time


@dataclass(slots=True)
class Program:
    """The source files, the machine, and the problems found so far. Files are parsed once.

    `import_paths` are folders of `sources` in which `<name>` is looked for. `host_inputs` and
    `host_outputs` are the colors that memcpy streams on.
    """

    sources: Mapping[str, str]
    machine: Machine
    import_paths: tuple[str, ...] = ()
    problems: Problems = field(default_factory=Problems)
    files: dict[str, syntax.File] = field(default_factory=lambda: {})
    iterations: int = 0
    width: int = 0
    height: int = 0
    host_inputs: set[int] = field(default_factory=lambda: set())
    host_outputs: set[int] = field(default_factory=lambda: set())

    def find(self, path: str, importer: str, at: Location) -> str:
        """The name of the file that `path`, written in the file `importer`, means.

        Raises:
            CslError: no library and no file on the import paths is called so.
        """
        file = find(path, importer, self.sources, self.import_paths)
        if file is None:
            paths = ", ".join(self.import_paths)
            raise CslError(
                f"there is no library {path}",
                at,
                notes=[f"nor is it in {paths}"] if paths else [],
                help=suggestion(path, library_names()) or f"known: {', '.join(library_names())}",
            )
        return file

    def file(self, path: str, at: Location | None) -> syntax.File:
        """The syntax tree of the file called `path`.

        Raises:
            CslError: there is no such file, or it is not CSL.
        """
        if path not in self.files:
            text = library_text(path) if is_library(path) else self.sources.get(path)
            if text is None:
                raise CslError(
                    f"there is no file {path!r}",
                    at,
                    help=suggestion(path, self.sources) or f"files: {', '.join(self.sources)}",
                )
            self.files[path] = parse(text, path)
        return self.files[path]

    def iterate(self, at: Location) -> None:
        """Count an iteration of a loop at compile time, or refuse it."""
        self.iterations += 1
        if self.iterations > MAX_ITERATIONS:
            raise CslError(f"more than {MAX_ITERATIONS:,} iterations at compile time", at)


@dataclass(slots=True)
class Global:
    """A declaration of a file and, once it is needed, its value."""

    decl: syntax.VariableDecl | syntax.ParamDecl | syntax.FunctionDecl
    state: Literal["new", "busy", "done", "failed"] = "new"
    value: Value | None = None
    error: CslError | None = None


class Instance(InstanceLike):
    """A file with its params bound; its variables are its own."""

    def __init__(self, file: syntax.File, params: Mapping[str, Value], prefix: str) -> None:
        super().__init__(file.name)
        self.syntax = file
        self.params = params
        self.prefix = prefix  # of the names of its variables
        self.globals: dict[str, Global] = {}


@dataclass(slots=True)
class Scope:
    """Names of a block, inside those of the enclosing block."""

    parent: Scope | None = None
    names: dict[str, Value | Cell] = field(default_factory=lambda: {})
    failed: set[str] = field(default_factory=lambda: set())

    def find(self, name: str) -> Value | Cell | None:
        """What `name` stands for, or None."""
        scope: Scope | None = self
        while scope is not None:
            found = scope.names.get(name)
            if found is not None:
                return found
            scope = scope.parent
        return None

    def has_failed(self, name: str) -> bool:
        """Whether the declaration of `name` has been reported as wrong."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.failed:
                return True
            scope = scope.parent
        return False


@dataclass(slots=True)
class QueueUse:
    """A queue that `@initialize_queue` bound to a color, or left to the descriptors (None).

    `is_implied`: a descriptor of wse2 gave it its color; others may give it further ones.
    """

    color: Number | None
    at: Location
    active: NDArray[np.bool_] | None = None  # the PEs that it is known for, None: all
    is_implied: bool = False


@dataclass(slots=True)
class FabricUse:
    """A fabric descriptor, kept to be checked once all queues are known."""

    kind: Literal["fabin", "fabout"]
    queue: int | None
    color: Number | None
    active: NDArray[np.bool_] | None  # the PEs that use it
    at: Location


@dataclass(slots=True)
class TaskUse:
    """A task bound to an id."""

    kind: Literal["local", "data", "control"]
    id: int
    name: str
    function: core.Function
    at: Location


@dataclass(slots=True)
class ExportUse:
    """An exported symbol and its type."""

    export: core.Export
    type: CslType
    at: Location


@dataclass(slots=True)
class PendingFunction:
    """A function that is called, bound or exported: what its body is lowered from.

    `active` are the PEs that may call it (None: all). It grows with each caller; the body is
    then lowered again, and `objects`, its locals in memory, are made anew.
    """

    decl: syntax.FunctionDecl
    instance: Instance
    scope: Scope
    function: core.Function
    result: CslType
    active: NDArray[np.bool_] | None
    objects: list[core.MemoryObject] = field(default_factory=lambda: [])


class Context:
    """What one class of PEs gathers while its file is evaluated; `pes` is its number of PEs.

    The layout is evaluated in a context of its own, with one PE and `layout` set.
    """

    def __init__(
        self,
        program: Program,
        file: str,
        x: NDArray[np.int32],
        y: NDArray[np.int32],
        layout: LayoutUse | None,
    ) -> None:
        self.program = program
        self.file = file
        self.x = x
        self.y = y
        self.pes = len(x)
        self.layout = layout
        self.objects: list[core.MemoryObject] = []
        self.alignments: dict[int, int] = {}  # bytes, by id of a memory object
        self.slots: list[core.Slot] = []
        self.functions: dict[tuple[object, ...], core.Function] = {}
        self.results: dict[core.Function, StructValue] = {}  # where functions return structs
        self.held: list[object] = []  # keeps alive what keys of `functions` identify
        self.lowered: dict[core.Function, PendingFunction] = {}
        self.pending: list[PendingFunction] = []
        self.calls: dict[core.Function, set[core.Function]] = {}
        self.static: dict[core.Function, Location] = {}  # functions with locals in memory
        self.constants: dict[int, tuple[Value, core.MemoryObject]] = {}
        self.tasks: list[TaskUse] = []
        self.activated: set[int] = set()
        self.blocked: set[int] = set()
        self.blocked_lanes: list[NDArray[np.generic]] = []  # ids that differ between PEs
        self.input_queues: dict[int, QueueUse] = {}
        self.output_queues: dict[int, QueueUse] = {}
        self.fabric: list[FabricUse] = []
        self.exports: dict[str, ExportUse] = {}
        self.colors: list[tuple[Number, ColorConfig]] = []
        self.fifos: list[core.Fifo] = []
        self.dsrs: list[core.LoadDsr] = []
        self.configs: list[core.SetConfig] = []
        self.teardown_handlers: dict[int, core.Function] = {}
        self.empty_queue_handlers: dict[int, core.Function] = {}
        self.has_control_table = False
        self.symbols: dict[str, core.MemoryObject] = {}
        self.libraries: set[str] = set()
        self.high_priority: set[int] = set()
        self.strings: list[str] = []  # that `<debug>` records by number

    @property
    def is_layout(self) -> bool:
        """Whether this is the layout's context."""
        return self.layout is not None

    @property
    def arch(self) -> Literal["wse2", "wse3"]:
        """The architecture that the program is compiled for."""
        return self.program.machine.arch
