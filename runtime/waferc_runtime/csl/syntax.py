"""The syntax tree of a CSL file: frozen nodes with places.

Types are expressions. An `else if` chain is one node with many branches, so that long chains
are not deep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from waferc_ir.diagnostics import Location

# ---- expressions


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A name."""

    name: str
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class Integer:
    """An integer or character literal."""

    value: int
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class Float:
    """A floating-point literal."""

    value: float
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A string literal, escapes resolved."""

    value: str
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """`true` or `false`."""

    value: bool
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class VoidLiteral:
    """`{}`."""

    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class BuiltinCall:
    """`@name(arguments)`; `name` has the at sign."""

    name: str
    arguments: tuple[Expr, ...]
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """`callee(arguments)`."""

    callee: Expr
    arguments: tuple[Expr, ...]
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """`base.name`."""

    base: Expr
    name: str
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class Dereference:
    """`pointer.*`."""

    base: Expr
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """`base[indices]`."""

    base: Expr
    indices: tuple[Expr, ...]
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class Unary:
    """A unary operation, or an address."""

    op: Literal["!", "~", "-", "&"]
    x: Expr
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class Binary:
    """An arithmetic, bit, comparison or logical operation; `op` as written."""

    op: str
    lhs: Expr
    rhs: Expr
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class ComptimeExpr:
    """`comptime x`."""

    x: Expr
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class AnonymousStruct:
    """`.{ .a = 1, .b = x }`, or a tuple when the names are None."""

    fields: tuple[tuple[str | None, Expr], ...]
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class TypedInit:
    """`[3]u16{ 1, 2, 3 }` or `Point{ .x = 1 }`."""

    type: Expr
    fields: tuple[tuple[str | None, Expr], ...]
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class TensorAccess:
    """`|i, j| { n, m } -> a[2 * i, j + 1]`."""

    variables: tuple[str, ...]
    extents: tuple[Expr, ...]
    target: Expr
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class IfExpr:
    """Branches as (condition, value); without `otherwise` the last condition must hold."""

    branches: tuple[tuple[Expr, Expr | Block], ...]
    otherwise: Expr | Block | None
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class Prong:
    """One `values => body` of a switch; no values for `else`."""

    values: tuple[Expr, ...]
    body: Expr | Block
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class Switch:
    """A switch, as a value or as a statement."""

    subject: Expr
    prongs: tuple[Prong, ...]
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class LabeledBlock:
    """`label: { ... break :label value; }` as a value."""

    label: str
    body: Block
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class PointerTypeExpr:
    """`[*]target` or `*target`."""

    target: Expr
    many: bool
    const: bool
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class ArrayTypeExpr:
    """`[extents]element`."""

    extents: tuple[Expr, ...]
    element: Expr
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class FunctionTypeExpr:
    """`fn(parameters) result`."""

    kind: Literal["fn", "task"]
    parameters: tuple[Expr, ...]
    result: Expr
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class StructTypeExpr:
    """A named struct or union type; `packing` is empty, `extern` or `packed`."""

    packing: str
    fields: tuple[tuple[str, Expr], ...]
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class EnumTypeExpr:
    """`enum(base) { members }`."""

    base: Expr | None
    members: tuple[tuple[str, Expr | None], ...]
    at: Location


Expr = (
    Name
    | Integer
    | Float
    | Text
    | Truth
    | VoidLiteral
    | BuiltinCall
    | Call
    | Member
    | Dereference
    | Index
    | Unary
    | Binary
    | ComptimeExpr
    | AnonymousStruct
    | TypedInit
    | TensorAccess
    | IfExpr
    | Switch
    | LabeledBlock
    | PointerTypeExpr
    | ArrayTypeExpr
    | FunctionTypeExpr
    | StructTypeExpr
    | EnumTypeExpr
)

# ---- statements


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """`{ statements }`."""

    statements: tuple[Statement, ...]
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class VariableDecl:
    """`const` or `var`, global or local."""

    name: str
    is_const: bool
    type: Expr | None
    value: Expr | None
    at: Location
    is_comptime: bool = False
    is_export: bool = False
    is_extern: bool = False
    alignment: Expr | None = None
    link_name: Expr | None = None  # what debuggers call it


@dataclass(frozen=True, slots=True, eq=False)
class Assign:
    """`target op value;` where `op` is empty for a plain assignment, else `+`, `<<`, ..."""

    target: Expr
    op: str
    value: Expr
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class ExprStatement:
    """An expression as a statement."""

    value: Expr
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class If:
    """A chain of conditions, each with its body."""

    branches: tuple[tuple[Expr, Block], ...]
    otherwise: Block | None
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class For:
    """`for (iterable) |value, index| { body }`."""

    iterable: Expr
    value: str
    index: str | None
    body: Block
    at: Location
    label: str | None = None
    is_inline: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class While:
    """`while (condition) : (step) { body }`."""

    condition: Expr
    step: Statement | None
    body: Block
    at: Location
    label: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Return:
    """`return value;`."""

    value: Expr | None
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class Break:
    """`break;` or `break :label value;`."""

    label: str | None
    value: Expr | None
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class Continue:
    """`continue;`."""

    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class ComptimeBlock:
    """`comptime { ... }`, at the top of a file or as a statement."""

    body: Block
    at: Location


Statement = (
    VariableDecl
    | Assign
    | ExprStatement
    | If
    | For
    | While
    | Switch
    | Return
    | Break
    | Continue
    | Block
    | ComptimeBlock
    | LabeledBlock
)

# ---- declarations of a file


@dataclass(frozen=True, slots=True, eq=False)
class ParamDecl:
    """`param name: type = default;`."""

    name: str
    type: Expr | None
    default: Expr | None
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """A parameter of a function."""

    name: str
    type: Expr
    is_comptime: bool
    at: Location


@dataclass(frozen=True, slots=True, eq=False)
class FunctionDecl:
    """A function or task. `addressed` are names in it (at least) whose address is taken."""

    kind: Literal["fn", "task"]
    name: str
    parameters: tuple[Parameter, ...]
    result: Expr
    body: Block | None
    at: Location
    is_inline: bool = False
    is_export: bool = False
    addressed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class LayoutBlock:
    """`layout { ... }`."""

    body: Block
    at: Location


Declaration = VariableDecl | ParamDecl | FunctionDecl | ComptimeBlock | LayoutBlock
Node = Expr | Statement | Declaration | Prong | Parameter


@dataclass(frozen=True, slots=True, eq=False)
class File:
    """A parsed file: its declarations in textual order."""

    name: str
    declarations: tuple[Declaration, ...]
