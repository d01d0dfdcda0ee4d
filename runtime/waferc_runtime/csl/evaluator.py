"""The evaluator: what an expression means, at compile time or inside a run-time function.

Handlers of syntax nodes and of builtins stand in the modules of their family and enter themselves
in the tables here; `elaborate` imports them all.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import core, syntax
from waferc_runtime.csl.arithmetic import Active
from waferc_runtime.csl.context import Context, Instance, Scope
from waferc_runtime.csl.diagnostics import CslError, Split, not_supported, suggestion
from waferc_runtime.csl.types import ArrayType, CslType, Meta, scalar_of, type_name
from waferc_runtime.csl.values import (
    Dynamic,
    Known,
    LocalPlace,
    MemoryPlace,
    RegisterPlace,
    SlotPlace,
    StructValue,
    Text,
    TypeValue,
    Value,
    type_of,
)

MAX_CALLS = 60  # nested calls at compile time


Result = tuple[list[core.Stmt], int, Value, Location]  # a place for an assignment, and of what


@dataclass(slots=True, eq=False)
class Loop:
    """A loop around the statement being lowered, or what is left like one.

    `is_loop`: a loop of the program, else a named block. `is_once`: its core loop has one
    iteration only; `is_plain`: it has none, as nothing follows where it is left. `is_iteration`:
    one iteration of an unrolled loop. `results` are the values that a block is left with.
    `broken`, `continued` hold the flag that says so, once one is needed; `crossed` are flags of
    loops further out that a statement in this one sets, with the loop and whether it continues.
    """

    label: str | None
    is_loop: bool = True
    is_once: bool = False
    is_plain: bool = False
    is_iteration: bool = False
    results: list[Result] | None = None
    broken: list[core.Local] = field(default_factory=lambda: [])
    continued: list[core.Local] = field(default_factory=lambda: [])
    crossed: dict[core.Local, tuple[Loop, bool]] = field(default_factory=lambda: {})


@dataclass(slots=True)
class Frame:
    """A run-time function that is being lowered."""

    function: core.Function
    result: CslType
    addressed: frozenset[str]  # names whose address is taken
    places: StructValue | None = None  # where a struct is returned
    static: Location | None = None  # the first local that lies in memory
    objects: list[core.MemoryObject] = field(default_factory=lambda: [])  # locals in memory
    loops: list[Loop] = field(default_factory=lambda: [])  # around the statement being lowered


Mask = NDArray[np.bool_]  # [pe]
ExpressionHandler = Callable[["Evaluator", Any], Value]
BuiltinHandler = Callable[["Evaluator", syntax.BuiltinCall], Value]
EXPRESSIONS: dict[type, ExpressionHandler] = {}
BUILTINS: dict[str, BuiltinHandler] = {}
_H = TypeVar("_H", bound=Callable[..., Any])


def evaluates(node: type) -> Callable[[_H], _H]:
    """Enter a handler for expressions of a syntax class."""

    def enter(handler: _H) -> _H:
        EXPRESSIONS[node] = handler
        return handler

    return enter


def builtin(name: str) -> Callable[[_H], _H]:
    """Enter a handler for calls of a builtin."""

    def enter(handler: _H) -> _H:
        assert name not in BUILTINS, name
        BUILTINS[name] = handler
        return handler

    return enter


class Evaluator:
    """Evaluates expressions of one instance in one scope.

    `frame` is the run-time function that is being lowered, None at compile time; its statements
    go to `out`. `active` are the PEs that reach this place, None for all.
    """

    def __init__(
        self,
        context: Context,
        instance: Instance,
        scope: Scope | None = None,
        frame: Frame | None = None,
        active: Active = None,
        calls: int = 0,
    ) -> None:
        self.context = context
        self.instance = instance
        self.scope = scope if scope is not None else Scope()
        self.frame = frame
        self.active = active
        self.calls = calls
        self.out: list[core.Stmt] = []
        self.is_setup = False  # inside a top-level comptime or layout block
        self.exits: list[tuple[Mask, Value]] = []  # PEs that have left the function, with what
        self.import_name: str | None = None  # of the constant that is being evaluated
        self.is_vector = False  # in a loop of the layout that runs all iterations at once

    @property
    def is_comptime(self) -> bool:
        """Whether everything has to be known."""
        return self.frame is None

    # ---- expressions

    def raw(self, node: syntax.Expr) -> Value:
        """What an expression stands for: a value, or a place in memory that is not read yet."""
        return EXPRESSIONS[type(node)](self, node)

    def value(self, node: syntax.Expr) -> Value:
        """The value of an expression; variables are read."""
        return self.read(EXPRESSIONS[type(node)](self, node), node.at)

    def read(self, value: Value, at: Location) -> Value:
        """A value with its place, if it is a scalar one, read at run time."""
        match value:
            case MemoryPlace() if isinstance(value.type, ArrayType):
                return value
            case MemoryPlace() | SlotPlace() | LocalPlace() | RegisterPlace() if self.is_comptime:
                raise CslError("the value of a run-time variable is not known at compile time", at)
            case MemoryPlace():
                scalar = scalar_of(value.type)
                assert scalar is not None
                return Dynamic(value.type, core.Load(scalar, value.pointer, at))
            case SlotPlace():
                return Dynamic(value.type, core.GetSlot(value.slot))
            case StructValue() if not self.is_comptime:
                fields = {name: self.read(field, at) for name, field in value.fields.items()}
                return StructValue(fields, value.type)
            case RegisterPlace():
                return Dynamic(value.type, core.GetConfig(value.address, at=at))
            case LocalPlace():
                return Dynamic(value.type, core.GetLocal(value.local))
            case _:
                return value

    def comptime(self) -> Evaluator:
        """An evaluator at the same place for which everything has to be known."""
        inner = Evaluator(self.context, self.instance, self.scope, None, self.active, self.calls)
        inner.is_setup, inner.is_vector = self.is_setup, self.is_vector
        return inner

    def known(self, node: syntax.Expr) -> Value:
        """The value of an expression that has to be known at compile time."""
        return self.comptime().value(node)

    def type(self, node: syntax.Expr) -> CslType:
        """The type that an expression names."""
        value = self.known(node)
        if not isinstance(value, TypeValue):
            raise CslError(
                f"a type is expected, not a value of type {self.name_of(value)}", node.at
            )
        return value.data

    def name_of(self, value: Value) -> str:
        """The type of a value, for messages."""
        return type_name(type_of(value))

    def text(self, node: syntax.Expr) -> str:
        """A string that has to be known."""
        value = self.known(node)
        if not isinstance(value, Text):
            raise CslError(f"a string is expected, not {self.name_of(value)}", node.at)
        return value.data

    # ---- numbers that have to be the same for all PEs

    def uniform(self, value: Known) -> int | float | bool:
        """The number, when all active PEs agree on it; else the class is split."""
        data = value.data
        if not isinstance(data, np.ndarray):
            return data
        seen = data if self.active is None else data[self.active]
        if seen.size and bool((seen == seen[0]).all()):
            return seen[0].item()
        groups = np.full(data.shape, -1, np.intp)  # those who do not come here are one group
        here = np.ones(data.shape, np.bool_) if self.active is None else self.active
        groups[here] = np.unique(data[here], return_inverse=True)[1].reshape(-1)
        raise Split(groups)

    def integer(self, node: syntax.Expr) -> int:
        """An integer or handle that has to be known and the same for all PEs."""
        return self.integer_of(self.known(node), node.at)

    def integer_of(self, value: Value, at: Location) -> int:
        """The integer that a value is, the same for all PEs."""
        data = self.uniform(value) if isinstance(value, Known) else None
        if isinstance(data, bool) or not isinstance(data, int):
            raise CslError(f"an integer is expected, not {self.name_of(value)}", at)
        return data

    def truth(self, value: Value, at: Location) -> Known:
        """A known condition."""
        if not isinstance(value, Known) or value.type is not core.Scalar.BOOL:
            raise CslError(f"a condition is expected, not {self.name_of(value)}", at)
        return value

    # ---- parts of the class

    def split_active(self, condition: Known) -> tuple[Mask, Mask] | bool:
        """The PEs for which a condition holds and those for which it does not, or what it is."""
        data = condition.data
        if not isinstance(data, np.ndarray):
            return bool(data)
        holds = data.astype(np.bool_)
        here = np.ones_like(holds) if self.active is None else self.active
        yes, no = here & holds, here & ~holds
        if not yes.any():
            return False
        if not no.any():
            return True
        return yes, no

    def require_all(self) -> None:
        """Part the class, where only some of its PEs come to what has to be for all of them."""
        if self.active is not None and not self.active.all():
            raise Split(self.active.astype(np.intp))

    @contextmanager
    def only(self, active: Active) -> Generator[None]:
        """Evaluate for some PEs only."""
        before, self.active = self.active, active
        try:
            yield
        finally:
            self.active = before

    @contextmanager
    def block(self) -> Generator[None]:
        """A scope for the names of a block."""
        before, self.scope = self.scope, Scope(self.scope)
        try:
            yield
        finally:
            self.scope = before


@evaluates(syntax.BuiltinCall)
def _builtin(ev: Evaluator, node: syntax.BuiltinCall) -> Value:
    handler = BUILTINS.get(node.name)
    if handler is None:
        close = suggestion(node.name, BUILTINS)
        if node.name in UNSUPPORTED_BUILTINS:
            raise not_supported(node.name, node.at)
        raise CslError(f"there is no builtin {node.name}", node.at, help=close)
    return handler(ev, node)


_UNSUPPORTED = """
    @bind_rotating_tasks @dfilt @get_filter_id @get_symbol_id @get_symbol_value @get_tensor_ptr
    @has_exported_tensors
"""
UNSUPPORTED_BUILTINS = frozenset(_UNSUPPORTED.split())


def arguments(
    node: syntax.BuiltinCall | syntax.Call, least: int, most: int | None = None, name: str = ""
) -> tuple[syntax.Expr, ...]:
    """The arguments of a call, once there are as many as there must be."""
    count, most = len(node.arguments), least if most is None else most
    if not least <= count <= most:
        called = name or cast(syntax.BuiltinCall, node).name
        wanted = str(least) if least == most else f"{least} to {most}"
        raise CslError(
            f"{called} takes {wanted} argument{'s' if wanted != '1' else ''}, not {count}", node.at
        )
    return node.arguments


def is_void(type: CslType) -> bool:
    """Whether the type is void."""
    return type is Meta.VOID
