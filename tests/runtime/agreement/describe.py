"""Core programs as short text, for the reports of failing samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import cast

import numpy as np

from waferc_runtime.csl import core


def describe(program: core.Elaborated) -> str:
    """The routes, and what the functions of each class do."""
    lines = [f"{program.arch} {program.width} x {program.height}"]
    for color, routes in program.routes.items():
        parts = [f"rx {routes.rx.tolist()} tx {routes.tx.tolist()}"]
        for part in (routes.switches, routes.filters):
            if part is not None:
                parts += [f"{f.name} {getattr(part, f.name).tolist()}" for f in fields(part)]
        if routes.teardown is not None:
            parts.append(f"teardown {routes.teardown.tolist()}")
        if routes.swap is not None:
            parts.append(f"swap {routes.swap.tolist()}")
        lines.append(f"color {color}: {' '.join(parts)}")
    for pe_class in program.classes:
        places = list(zip(pe_class.x.tolist(), pe_class.y.tolist(), strict=True))
        lines.append(
            f"on {places}: tasks {[(t.kind, t.id, t.function.name) for t in pe_class.tasks]}"
        )
        for function in pe_class.functions:
            lines.append(f"fn {function.name}:")
            lines += _body(function.body, "  ")
        for task in pe_class.tasks:
            if task.function not in pe_class.functions:
                lines.append(f"task {task.function.name}:")
                lines += _body(task.function.body, "  ")
    return "\n".join(lines)


def _body(body: Sequence[core.Stmt], indent: str) -> list[str]:
    lines: list[str] = []
    for statement in body:
        match statement:
            case core.If(condition, then, otherwise):
                lines.append(f"{indent}if {_text(condition)}:")
                lines += _body(then, indent + "  ")
                lines.append(f"{indent}else:")
                lines += _body(otherwise, indent + "  ")
            case core.For(variable, _, start, stop, step, inner):
                bounds = f"{_text(start)} to {_text(stop)} by {_text(step)}"
                lines.append(f"{indent}for {variable.name} in {bounds}:")
                lines += _body(inner, indent + "  ")
            case _:
                lines.append(indent + _text(statement))
    return lines


def _text(node: object) -> str:
    match node:
        case core.Const(core.Dsr(file), value):
            return f"{file}{value}"
        case core.Const(_, value):
            return str(np.asarray(value).tolist())
        case core.AddressOf(_, item, index):
            return f"&{item.name}[{_text(index)}]"
        case core.GetLocal(local):
            return local.name
        case core.MakeMemDsd(_, base, strides, extents):
            return f"{_text(base)}{_text(extents)}:{_text(strides)}"
        case core.MakeFabDsd():
            place = f"color {_text(node.color)} queue {_text(node.queue)}"
            flags = [f for f, on in (("ctl", node.control), ("flip", node.advance_switch)) if on]
            return f"{node.type.kind}({place} n {_text(node.extent)} {node.simd} {flags})"
        case core.FifoValue(fifo):
            return fifo.name
        case core.Function():
            return f"fn {node.name}"
        case tuple() | list():
            parts = [_text(part) for part in cast("Sequence[object]", node)]
            return "[" + ", ".join(parts) + "]"
        case core.DsdConfig():
            known = core.DsdConfig()
            parts = [f.name for f in fields(node)]
            return str(
                {p: getattr(node, p) for p in parts if getattr(node, p) != getattr(known, p)}
            )
        case _ if is_dataclass(node) and not isinstance(node, type):
            parts = [f for f in fields(node) if f.name not in ("at", "type")]
            return (
                f"{type(node).__name__}({', '.join(_text(getattr(node, f.name)) for f in parts)})"
            )
        case _:
            return str(node)
