"""The ways to change a program: rebuild it statement by statement, or drop what is dead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from waferc_ir.ops import graph_structure, tile_structure
from waferc_ir.ops.declare import Op
from waferc_ir.ops.signature import FieldKind, signature
from waferc_ir.ops.stream import Transfer
from waferc_ir.printer import value_numbers
from waferc_ir.program import Builder, Program, Statement, Value
from waferc_ir.types import TiledType

Visit = Callable[[Builder, Op], Value | None]


def rebuild(program: Program, visit: Visit) -> Program:
    """The program that `visit` builds, statement by statement.

    `visit(builder, op)` gets each operation in order, with operands already in the new program,
    and returns the value that stands for its result (any value of the new program); None for
    operations without one. The builder's place is the statement's. `keep` rebuilds as it was.

    The program has no paths and no buffers yet: they speak of statements by number.

    Raises:
        VerifyError: a rule of a new operation is broken, at its place.
    """
    assert not program.paths, "paths count streams that a rebuild may change"
    assert not program.buffers, "buffers count values that a rebuild may change"
    builder = Builder()
    renamed: dict[Value, Value] = {}
    for statement in program.statements:
        builder.at = statement.at
        value = visit(builder, statement.op.with_operands(renamed))
        if statement.result is not None:
            assert value is not None, f"nothing stands for the result of {statement.op.name}"
            renamed[statement.result] = value
    return program.with_statements(builder.statements)


def keep(builder: Builder, op: Op) -> Value | None:
    """Append `op` as it is; its result, if it has one."""
    if op.results == 0:
        builder.effect(op)
        return None
    return builder.add(op)


def replace_values(program: Program, mapping: Mapping[Value, Value]) -> Program:
    """The program in which every use of a key of `mapping` is a use of its value.

    Chains are followed. The statements that define the keys stay until `eliminate_dead`.
    """

    def final(value: Value) -> Value:
        seen = {value}
        while value in mapping and mapping[value] not in seen:
            value = mapping[value]
            seen.add(value)
        return value

    resolved = {value: final(value) for value in mapping}
    return program.with_statements(
        replace_operands(statement, resolved) for statement in program.statements
    )


def replace_operands(statement: Statement, mapping: Mapping[Value, Value]) -> Statement:
    """The same statement on other operands; itself if none of them changes."""
    if not any(value in mapping for value in statement.op.operands()):
        return statement
    return Statement(statement.op.with_operands(mapping), statement.result, statement.at)


def rename_regions(program: Program, names: Mapping[str, str]) -> Program:
    """The program with regions called otherwise, wherever they are named."""

    def renamed(name: str) -> str:
        return names.get(name, name)

    values: dict[Value, Value] = {}
    statements: list[Statement] = []
    for statement in program.statements:
        op = statement.op.with_operands(values)
        attributes = {
            field.name: renamed(vars(op)[field.name])
            for field in signature(type(op))
            if field.kind is FieldKind.REGION
        }
        op = type(op)(**(vars(op) | attributes))
        result = statement.result
        if result is not None and isinstance(result.type, TiledType):
            values[result] = Value(replace(result.type, region=renamed(result.type.region)))
            result = values[result]
        statements.append(Statement(op, result, statement.at))
    return replace(
        program,
        statements=tuple(statements),
        regions=tuple(replace(region, name=renamed(region.name)) for region in program.regions),
        buffers=tuple(replace(b, region=renamed(b.region)) for b in program.buffers),
    )


def eliminate_dead(program: Program) -> Program:
    """The program without statements that no output needs.

    Inputs stay: they are the model's signature. Paths and buffers follow, renumbered; a buffer
    without values goes.
    """
    live: set[Value] = set()
    kept: list[Statement] = []
    for statement in reversed(program.statements):
        is_input = isinstance(statement.op, graph_structure.Input | tile_structure.Input)
        if statement.result is None or is_input or statement.result in live:
            live.update(statement.op.operands())
            kept.append(statement)
    kept.reverse()
    if len(kept) == len(program.statements):
        return program
    return _renumbered(program, program.with_statements(kept))


def _renumbered(before: Program, after: Program) -> Program:
    numbers = value_numbers(after)
    old_numbers = value_numbers(before)
    new = {old_numbers[value]: number for value, number in numbers.items()}
    kept = {id(statement) for statement in after.statements}
    transfers = [s for s in before.statements if isinstance(s.op, Transfer)]
    streams = [number for number, s in enumerate(transfers) if id(s) in kept]
    buffers = (
        replace(buffer, values=tuple(new[number] for number in buffer.values if number in new))
        for buffer in before.buffers
    )
    return replace(
        after,
        paths=tuple(
            replace(path, stream=streams.index(path.stream))
            for path in before.paths
            if path.stream in streams
        ),
        buffers=tuple(buffer for buffer in buffers if buffer.values),
    )
