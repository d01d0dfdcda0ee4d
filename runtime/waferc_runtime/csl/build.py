"""Parse tree to syntax tree: one method per rule of the grammar.

Methods take the place of the rule and its children. Lark's trees carry no types, so that this is
where `Any` ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from lark import Token, Tree
from lark.tree import Meta
from lark.visitors import Transformer_NonRecursive
from lark.visitors import v_args as _v_args  # pyright: ignore[reportUnknownVariableType]

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import syntax as s
from waferc_runtime.csl.diagnostics import CslError

MAX_DEPTH = 200  # levels of the syntax tree
MAX_DIGITS = 100
MAX_BRANCHES = 500  # of one chain

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}


@dataclass(frozen=True, slots=True, eq=False)
class _Else:
    """What follows `else`: further branches of the chain, then the final body."""

    branches: tuple[tuple[s.Expr, Any], ...]
    final: Any


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """A part of a declaration: `kind` is the rule that it comes from."""

    kind: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Field:
    name: str
    value: Any


def _call(method: Callable[..., Any], _data: str, children: list[Any], meta: Meta) -> Any:
    builder = cast(Builder, cast(Any, method).base_func.__self__)
    at = builder.place(meta)
    return builder.measured(method(at, children), children, at)


class Builder(Transformer_NonRecursive[Token, Any]):
    """Builds the syntax tree of one file and measures its depth on the way."""

    def __init__(self, file: str, lines: list[str]) -> None:
        super().__init__()
        self._file = file
        self._lines = lines
        self._depths: dict[int, int] = {}
        self._addressed: set[str] = set()  # names after & since the last function

    def build(self, tree: Tree[Token]) -> s.File:
        """The syntax tree of a whole parse tree."""
        return cast(s.File, self.transform(tree))

    # ---- places and depth

    def place(self, meta: Meta) -> Location:
        """Where a rule's text starts, and its width on that line."""
        if meta.empty:
            return Location(self._file, 1, 1, 1, self._lines[0])
        line = self._lines[meta.line - 1]
        end = meta.end_column if meta.end_line == meta.line else len(line.rstrip()) + 1
        return Location(self._file, meta.line, meta.column, max(1, end - meta.column), line)

    def measured(self, node: Any, children: list[Any], at: Location) -> Any:
        """`node`, once its depth is known to be bearable."""
        depth = 1 + max((self._depths.get(id(c), 0) for c in children), default=0)
        if isinstance(node, _Else) and node.branches:
            depth -= 2  # a chain is flat
        if depth > MAX_DEPTH:
            raise CslError(
                f"this is nested more than {MAX_DEPTH} levels deep",
                at,
                help="give parts of it names of their own",
            )
        self._depths[id(node)] = depth
        return node

    def _token_at(self, token: Token) -> Location:
        line, column = token.line or 1, token.column or 1
        return Location(self._file, line, column, max(1, len(token)), self._lines[line - 1])

    # ---- declarations

    def start(self, _at: Location, c: list[Any]) -> s.File:
        return s.File(self._file, tuple(c))

    def type_note(self, _at: Location, c: list[Any]) -> _Part:
        return _Part("type", (c[0],))

    def value_note(self, _at: Location, c: list[Any]) -> _Part:
        return _Part("value", (c[1],))

    def attribute(self, _at: Location, c: list[Any]) -> _Part:
        return _Part(str(c[0]), (c[1],))

    def param(self, _at: Location, c: list[Any]) -> s.ParamDecl:
        type, value = _part(c, "type"), _part(c, "value")
        return s.ParamDecl(str(c[0]), type, value, self._token_at(c[0]))

    def variable(self, _at: Location, c: list[Any]) -> s.VariableDecl:
        tokens = {t.type: t for t in c if isinstance(t, Token)}
        storage = str(tokens.get("STORAGE", ""))
        return s.VariableDecl(
            name=str(tokens["NAME"]),
            is_const=tokens["MUT"] == "const",
            type=_part(c, "type"),
            value=_part(c, "value"),
            at=self._token_at(tokens["NAME"]),
            is_comptime="COMPTIME" in tokens,
            is_export=storage == "export",
            is_extern=storage == "extern",
            alignment=_part(c, "align"),
            link_name=_part(c, "linkname"),
        )

    def function(self, _at: Location, c: list[Any]) -> s.FunctionDecl:
        tokens = {t.type: t for t in c if isinstance(t, Token)}
        rest = [x for x in c if not isinstance(x, (Token, _Part, s.Parameter))]
        body = rest.pop() if isinstance(rest[-1], s.Block) else None
        addressed, self._addressed = frozenset(self._addressed), set()
        return s.FunctionDecl(
            kind="task" if tokens["FNKIND"] == "task" else "fn",
            name=str(tokens["NAME"]),
            parameters=tuple(x for x in c if isinstance(x, s.Parameter)),
            result=rest[0],
            body=body,
            at=self._token_at(tokens["NAME"]),
            is_inline=tokens.get("INLINE") == "inline",
            is_export=tokens.get("STORAGE") == "export",
            addressed=addressed,
        )

    def parameter(self, _at: Location, c: list[Any]) -> s.Parameter:
        name, type = c[-2], c[-1]
        return s.Parameter(str(name), type, len(c) == 3, self._token_at(name))

    def comptime_block(self, at: Location, c: list[Any]) -> s.ComptimeBlock:
        return s.ComptimeBlock(c[1], at)

    def layout_block(self, at: Location, c: list[Any]) -> s.LayoutBlock:
        return s.LayoutBlock(c[0], at)

    # ---- types

    def pointer_many(self, at: Location, c: list[Any]) -> s.PointerTypeExpr:
        return s.PointerTypeExpr(c[-1], True, _is_token(c, 0, "KCONST"), at)

    def pointer_one(self, at: Location, c: list[Any]) -> s.PointerTypeExpr:
        return s.PointerTypeExpr(c[-1], False, _is_token(c, 0, "KCONST"), at)

    def array_type(self, at: Location, c: list[Any]) -> s.ArrayTypeExpr:
        return s.ArrayTypeExpr(tuple(c[:-1]), c[-1], at)

    def function_type(self, at: Location, c: list[Any]) -> s.FunctionTypeExpr:
        kind = "task" if c[0] == "task" else "fn"
        return s.FunctionTypeExpr(kind, tuple(c[1:-1]), c[-1], at)

    def type_path(self, at: Location, c: list[Any]) -> s.Expr:
        if c[0].type == "BUILTIN":
            return s.BuiltinCall(str(c[0]), c[1].values, at)
        path: s.Expr = s.Name(str(c[0]), self._token_at(c[0]))
        for part in c[1:]:
            if isinstance(part, Token):
                path = s.Member(path, str(part), at)
            else:
                path = s.Call(path, part.values, at)
        return path

    def arguments(self, _at: Location, c: list[Any]) -> _Part:
        return _Part("arguments", tuple(c))

    def struct_type(self, at: Location, c: list[Any]) -> s.StructTypeExpr:
        words = [str(t) for t in c if isinstance(t, Token)]
        fields = tuple((f.name, f.value) for f in c if isinstance(f, _Field))
        return s.StructTypeExpr(" ".join(words), fields, at)

    def struct_field(self, _at: Location, c: list[Any]) -> _Field:
        return _Field(str(c[0]), c[1])

    def enum_type(self, at: Location, c: list[Any]) -> s.EnumTypeExpr:
        members = tuple((f.name, f.value) for f in c if isinstance(f, _Field))
        return s.EnumTypeExpr(_part(c, "base"), members, at)

    def enum_base(self, _at: Location, c: list[Any]) -> _Part:
        return _Part("base", (c[0],))

    def enum_member(self, _at: Location, c: list[Any]) -> _Field:
        return _Field(str(c[0]), _part(c, "value"))

    # ---- statements

    def block(self, at: Location, c: list[Any]) -> s.Block:
        return s.Block(tuple(c), at)

    nonempty_block = block

    def labeled_statement(self, at: Location, c: list[Any]) -> s.Statement:
        label, body = str(c[0]), c[1]
        if isinstance(body, s.Block):
            return s.LabeledBlock(label, body, at)
        return replace(body, label=label)

    def expr_statement(self, at: Location, c: list[Any]) -> s.ExprStatement:
        return s.ExprStatement(c[0], at)

    def assign(self, at: Location, c: list[Any]) -> s.Assign:
        return s.Assign(c[0], str(c[1])[:-1], c[2], at)

    def return_statement(self, at: Location, c: list[Any]) -> s.Return:
        return s.Return(c[0] if c else None, at)

    def break_statement(self, at: Location, c: list[Any]) -> s.Break:
        return s.Break(str(c[0]) if c else None, c[1] if len(c) > 1 else None, at)

    def continue_statement(self, at: Location, _c: list[Any]) -> s.Continue:
        return s.Continue(at)

    def if_statement(self, at: Location, c: list[Any]) -> s.If:
        first = (c[0], _as_block(c[1]))
        if len(c) == 2:
            return s.If((first,), None, at)
        rest = cast(_Else, c[2])
        return s.If((first, *self._few(rest.branches, at)), rest.final, at)

    def _few(
        self, branches: tuple[tuple[s.Expr, Any], ...], at: Location
    ) -> tuple[tuple[s.Expr, Any], ...]:
        if len(branches) >= MAX_BRANCHES:
            raise CslError(f"more than {MAX_BRANCHES} branches", at)
        return branches

    def else_part(self, _at: Location, c: list[Any]) -> _Else:
        if isinstance(c[0], s.If):
            return _Else(c[0].branches, c[0].otherwise)
        return _Else((), _as_block(c[0]))

    def for_statement(self, at: Location, c: list[Any]) -> s.For:
        is_inline = _is_token(c, 0, "KINLINE")
        iterable, value, *index, body = c[1:] if is_inline else c
        name = str(index[0]) if index else None
        return s.For(iterable, str(value), name, body, at, is_inline=is_inline)

    def while_statement(self, at: Location, c: list[Any]) -> s.While:
        return s.While(c[0], _part(c, "step"), c[-1], at)

    def while_step(self, _at: Location, c: list[Any]) -> _Part:
        return _Part("step", (c[0],))

    def switch_statement(self, _at: Location, c: list[Any]) -> s.Switch:
        return c[0]

    def switch(self, at: Location, c: list[Any]) -> s.Switch:
        return s.Switch(c[0], tuple(c[1:]), at)

    def prong(self, at: Location, c: list[Any]) -> s.Prong:
        return s.Prong(c[0].values, c[1], at)

    def prong_values(self, _at: Location, c: list[Any]) -> _Part:
        return _Part("values", tuple(c))

    def else_prong(self, at: Location, c: list[Any]) -> s.Prong:
        return s.Prong((), c[0], at)

    # ---- expressions

    def void_value(self, at: Location, _c: list[Any]) -> s.VoidLiteral:
        return s.VoidLiteral(at)

    def labeled_block(self, at: Location, c: list[Any]) -> s.LabeledBlock:
        return s.LabeledBlock(str(c[0]), c[1], at)

    def comptime_expr(self, at: Location, c: list[Any]) -> s.ComptimeExpr:
        return s.ComptimeExpr(c[1], at)

    def if_expr(self, at: Location, c: list[Any]) -> s.IfExpr:
        first = (c[0], c[1])
        if len(c) == 2:
            return s.IfExpr((first,), None, at)
        rest = cast(_Else, c[2])
        return s.IfExpr((first, *self._few(rest.branches, at)), rest.final, at)

    def else_branch(self, _at: Location, c: list[Any]) -> _Else:
        if isinstance(c[0], s.IfExpr):
            return _Else(c[0].branches, c[0].otherwise)
        return _Else((), c[0])

    def binary(self, at: Location, c: list[Any]) -> s.Binary:
        return s.Binary(str(c[1]), c[0], c[2], at)

    def unary(self, at: Location, c: list[Any]) -> s.Unary:
        if str(c[0]) == "&" and isinstance(c[1], s.Name):
            self._addressed.add(c[1].name)
        return s.Unary(cast(Any, str(c[0])), c[1], at)

    def member(self, at: Location, c: list[Any]) -> s.Member:
        return s.Member(c[0], str(c[1]), at)

    def dereference(self, at: Location, c: list[Any]) -> s.Dereference:
        return s.Dereference(c[0], at)

    def index(self, at: Location, c: list[Any]) -> s.Index:
        return s.Index(c[0], tuple(c[1:]), at)

    def call(self, at: Location, c: list[Any]) -> s.Call:
        return s.Call(c[0], c[1].values, at)

    def typed_init(self, at: Location, c: list[Any]) -> s.TypedInit:
        return s.TypedInit(c[0], c[1].values, at)

    def name(self, at: Location, c: list[Any]) -> s.Name:
        return s.Name(str(c[0]), at)

    def parenthesised(self, _at: Location, c: list[Any]) -> s.Expr:
        return c[0]

    def truth(self, at: Location, c: list[Any]) -> s.Truth:
        return s.Truth(c[0] == "true", at)

    def builtin_call(self, at: Location, c: list[Any]) -> s.BuiltinCall:
        return s.BuiltinCall(str(c[0]), c[1].values, at)

    def named_field(self, _at: Location, c: list[Any]) -> _Field:
        return _Field(str(c[0]), c[-1])

    def anonymous_struct(self, at: Location, c: list[Any]) -> s.AnonymousStruct:
        return s.AnonymousStruct(_fields(c), at)

    def init_list(self, _at: Location, c: list[Any]) -> _Part:
        return _Part("fields", _fields(c))

    def variables(self, _at: Location, c: list[Any]) -> _Part:
        return _Part("variables", tuple(str(name) for name in c if name.type == "NAME"))

    def tensor_access(self, at: Location, c: list[Any]) -> s.TensorAccess:
        return s.TensorAccess(c[0].values, tuple(c[1:-1]), c[-1], at)

    def number(self, at: Location, c: list[Any]) -> s.Expr:
        digits = str(c[0]).replace("_", "")
        if len(digits) > MAX_DIGITS:
            raise CslError(f"a number of {len(digits):,} digits is too long", at)
        bases = {"0x": 16, "0b": 2, "0o": 8}
        base = bases.get(digits[:2].lower())
        if base is not None:
            if len(digits) == 2:
                raise CslError("digits are missing", at)
            return s.Integer(int(digits[2:], base), at)
        if digits.isdigit():
            return s.Integer(int(digits), at)
        return s.Float(float(digits), at)

    def text(self, at: Location, c: list[Any]) -> s.Text:
        return s.Text(_unescape(str(c[0])[1:-1], at), at)

    def character(self, at: Location, c: list[Any]) -> s.Integer:
        return s.Integer(ord(_unescape(str(c[0])[1:-1], at)), at)


# every method is called with the place of its rule
cast(Any, _v_args)(wrapper=_call)(Builder)


def _part(children: list[Any], kind: str) -> Any:
    return next((c.values[0] for c in children if isinstance(c, _Part) and c.kind == kind), None)


def _is_token(children: list[Any], index: int, type: str) -> bool:
    token = children[index]
    return isinstance(token, Token) and token.type == type


def _fields(children: list[Any]) -> tuple[tuple[str | None, s.Expr], ...]:
    return tuple((c.name, c.value) if isinstance(c, _Field) else (None, c) for c in children)


def _as_block(statement: Any) -> s.Block:
    if isinstance(statement, s.Block):
        return statement
    return s.Block((statement,), statement.at)


def _unescape(text: str, at: Location) -> str:
    out: list[str] = []
    i = 0
    while i < len(text):
        if text[i] != "\\":
            out.append(text[i])
            i += 1
        elif text[i + 1] == "x":
            digits = text[i + 2 : i + 4]
            if len(digits) < 2 or not all(d in "0123456789abcdefABCDEF" for d in digits):
                raise CslError(f"\\x{digits} is no character: two hexadecimal digits are meant", at)
            out.append(chr(int(digits, 16)))
            i += 4
        else:
            out.append(_ESCAPES.get(text[i + 1], text[i + 1]))
            i += 2
    return "".join(out)
