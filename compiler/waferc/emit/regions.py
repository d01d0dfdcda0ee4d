"""From a tiled program to one PE program per region: arrays, links, functions, exports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from waferc.analysis.joined import joined
from waferc.analysis.liveness import float_type
from waferc.analysis.scratch import region_scratch
from waferc.emit.diagnostics import EmitError
from waferc.emit.kernels import stream as stream_kernels
from waferc.emit.kernels.collective import all_reduces
from waferc.emit.kernels.context import Arrivals, KernelContext, Tile, copy
from waferc.emit.kernels.table import statements as kernel_statements
from waferc.emit.line_links import line_constants
from waferc.emit.links import color_params, region_links, used_axes, used_ports
from waferc.emit.names import Names
from waferc.emit.pe_program import (
    BITS,
    Array,
    Element,
    Export,
    PeEntry,
    PeFunction,
    PeProgram,
    element_of,
)
from waferc.emit.scalar_functions import ScalarFunctions
from waferc_ir.diagnostics import collect
from waferc_ir.dtypes import DType
from waferc_ir.entries import MAIN, entries, markers, own
from waferc_ir.machine import Machine
from waferc_ir.ops import collective, stream, tile_compute, tile_structure
from waferc_ir.program import Program, Statement, Value
from waferc_ir.types import Region, TiledType


@dataclass(frozen=True)
class HostTensor:
    """An input, a weight, a state or an output as the host sees it in one region.

    `entry` is the entry that an input or output belongs to; weights and states are common to all.
    """

    label: str
    symbol: str
    region: str
    type: TiledType
    is_mutable: bool = False
    entry: str = MAIN
    spread: tuple[int, ...] = ()  # dimensions in the order of `waferc_ir.spread`


@dataclass(frozen=True)
class Kernel:
    """A function of a region's PE file, and what it carries out there: a statement, or several."""

    region: str
    function: str
    statements: tuple[Statement, ...]


@dataclass
class EmittedRegions:
    """PE programs by region, their kernels, and the host's tensors in program order."""

    programs: list[PeProgram] = field(default_factory=lambda: [])
    inputs: list[HostTensor] = field(default_factory=lambda: [])
    state: list[HostTensor] = field(default_factory=lambda: [])
    outputs: list[HostTensor] = field(default_factory=lambda: [])
    entries: dict[str, str] = field(default_factory=lambda: {})  # functions to launch, by entry
    kernels: list[Kernel] = field(default_factory=lambda: [])


def emit_regions(program: Program, machine: Machine) -> EmittedRegions:
    """The PE programs of all regions.

    Raises:
        EmitError: all operations without kernel and all missing buffers, together.
    """
    dtype = float_type(program)
    numbers = _numbers(program)
    symbols = Names("output")
    emitted = EmittedRegions(entries=_entry_functions(program, symbols))
    arrays = _arrays(program, dtype, emitted.entries.values())
    problems: list[EmitError] = []
    for region in program.regions:
        tiles: dict[Value, Tile] = {}
        for statement in program.statements:
            value = statement.result
            if value is None or not isinstance(value.type, TiledType):
                continue
            if value.type.region != region.name:
                continue
            number = numbers[value]
            if number not in arrays:
                problems.append(EmitError(f"value %{number} has no buffer", statement.at))
                continue
            tiles[value] = Tile(arrays[number], value.type.local_shape, value.type)
        functions = ScalarFunctions(machine)
        scratch = _scratch(program, region, dtype, machine)
        context = KernelContext(
            region, machine, dtype, tiles, functions, _arrivals(program, region), scratch
        )
        pe_functions: list[PeFunction] = []
        pe_entries: list[PeEntry] = []
        for place, entry in enumerate(entries(program)):
            calls: list[str] = []
            for together in joined(own(program, entry)):
                try:
                    made = list(_functions(together, numbers, context, place))
                except EmitError as problem:
                    problems.append(_placed(problem, together[0]))
                    continue
                pe_functions += made
                calls += [one.name for one in made]
                emitted.kernels += [Kernel(region.name, one.name, together) for one in made]
            pe_entries.append(PeEntry(emitted.entries[entry.label], tuple(calls)))
        exports = _exports(program, region, tiles, symbols, emitted)
        used = used_ports(pe_functions)
        own_arrays = {tile.array.name: tile.array for tile in tiles.values()}
        emitted.programs.append(
            PeProgram(
                region=region.name,
                width=region.width,
                height=region.height,
                color_params=color_params(region, used, context.arrivals),
                constants=tuple(
                    constant
                    for axis in used_axes(used)
                    for constant in line_constants(axis, region.line(axis))
                ),
                arrays=(*own_arrays.values(), *scratch.values()),
                links=region_links(region, used, context.arrivals),
                exports=tuple(exports),
                scalar_functions=functions.all(),
                functions=tuple(pe_functions),
                entries=tuple(pe_entries),
            )
        )
    error = collect(problems)
    if error is not None:
        raise error
    return emitted


def _numbers(program: Program) -> dict[Value, int]:
    results = [s.result for s in program.statements if s.result is not None]
    return {value: number for number, value in enumerate(results)}


def _entry_functions(program: Program, symbols: Names) -> dict[str, str]:
    """The function of each entry, by its label: `main`, or `main_` and the label."""
    if not any(markers(program)):
        return {MAIN: MAIN}
    return {e.label: symbols.take(f"main_{e.label}", is_global=False) for e in entries(program)}


def _arrays(program: Program, dtype: DType, functions: Iterable[str]) -> dict[int, Array]:
    """The array of every value, by the value's number; names are unique in a region."""
    arrays: dict[int, Array] = {}
    numbers = _numbers(program)
    states = {
        numbers[statement.result]
        for statement in program.statements
        if isinstance(statement.op, tile_structure.State) and statement.result is not None
    }
    factors = {
        numbers[operand]
        for statement in program.statements
        if isinstance(statement.op, tile_compute.Contract)
        for operand in statement.op.operands()
    }
    visiting = {
        numbers[statement.op.rows]
        for statement in program.statements
        if isinstance(statement.op, collective.Multiply)
    }
    names = {region.name: Names("buffer") for region in program.regions}
    for taken in names.values():
        for function in functions:
            taken.take(function, is_global=False)
    for buffer in program.buffers:
        name = names[buffer.region].take(buffer.name)
        element = element_of(buffer.dtype, dtype)
        # a weight or a cache is read at once with the sum that it is multiplied into, or with the
        # other factor (and rows that visit a matrix with the sum): four words apart, they are in
        # different banks
        held = factors.intersection(buffer.values) and states.intersection(buffer.values)
        lead = 64 // BITS[element] if held or visiting.intersection(buffer.values) else 0
        array = Array(name, element, max(1, buffer.elements), lead)
        arrays.update(dict.fromkeys(buffer.values, array))
    return arrays


def _scratch(
    program: Program, region: Region, dtype: DType, machine: Machine
) -> dict[Element, Array]:
    """Arrays that the operations of a region use in turn while they are at work."""
    found: dict[Element, Array] = {}
    for given, elements in region_scratch(program.statements, region.name, machine).items():
        element = element_of(given, dtype)
        found[element] = Array(f"scratch_{element}", element, elements)
    return found


def _arrivals(program: Program, region: Region) -> Arrivals:
    sources: list[str] = []
    kinds: set[bool] = set()
    for source, statement in transfers_into(program, region):
        if source not in sources:
            sources.append(source)
        assert isinstance(statement.op, stream.Transfer)
        given = statement.op.x.type
        assert isinstance(given, TiledType)
        kinds.add(given.layout.split_of("y") is not None)
    return Arrivals(sources[0] if sources else None, shares_pass_y=True not in kinds)


def transfers_into(program: Program, region: Region) -> Iterator[tuple[str, Statement]]:
    """The source region and the statement of every stream that a region receives."""
    for statement in program.statements:
        if isinstance(statement.op, stream.Transfer) and statement.op.region == region.name:
            given = statement.op.x.type
            assert isinstance(given, TiledType)
            yield given.region, statement


def _functions(
    together: Sequence[Statement], numbers: Mapping[Value, int], context: KernelContext, entry: int
) -> Iterator[PeFunction]:
    """The functions of what is done at once, in the context's region: one, or none."""
    statement = together[0]
    op, value = statement.op, statement.result
    if isinstance(op, tile_structure.Store):
        if op.state in context.tiles:
            body = copy(context.tile(op.x), context.tile(op.state))
            if body:
                name = f"store{numbers[op.state]}" + (f"_{entry}" if entry else "")
                yield PeFunction(name, f"{op.name}{_place(statement)}", body)
        return
    if value is None or isinstance(op, tile_structure.Input | tile_structure.State):
        return
    number = numbers[value]
    comment = f"%{number} {op.name}{_place(statement)}"
    if isinstance(op, stream.Transfer):
        if op.x in context.tiles:
            body = stream_kernels.send(op, context.tile(op.x), context)
            yield PeFunction(f"op{number}_send", f"{comment}: send", body)
        elif value in context.tiles:
            given = op.x.type
            assert isinstance(given, TiledType)
            body = stream_kernels.receive(context.tile(value), given.region, context)
            yield PeFunction(f"op{number}_receive", f"{comment}: receive", body)
        return
    if value not in context.tiles:
        return
    if len(together) > 1:
        found: list[tuple[collective.AllReduce, Tile]] = []
        for one in together:
            assert isinstance(one.op, collective.AllReduce)
            assert one.result is not None
            found.append((one.op, context.tile(one.result)))
            comment += "" if one is statement else f", %{numbers[one.result]}{_place(one)}"
        body = all_reduces(found, context)
    else:
        body = kernel_statements(op, context.tile(value), context)
    if body:
        yield PeFunction(f"op{number}_{op.name.partition('.')[2]}", comment, body)


def _place(statement: Statement) -> str:
    if statement.at is None:
        return ""
    return f" {PurePath(statement.at.file).name}:{statement.at.line}"


def _placed(problem: EmitError, statement: Statement) -> EmitError:
    if problem.at is not None:
        return problem
    return EmitError(problem.message, statement.at, notes=problem.notes, help=problem.help)


def _exports(
    program: Program,
    region: Region,
    tiles: Mapping[Value, Tile],
    symbols: Names,
    emitted: EmittedRegions,
) -> list[Export]:
    exports: list[Export] = []
    entry: str | None = None
    for statement in program.statements:
        belongs = entry
        match statement.op:
            case tile_structure.Entry(label=label):
                entry = label
                continue
            case tile_structure.Input(label=label):
                value, group, mutable = statement.result, emitted.inputs, True
            case tile_structure.State(label=label):
                value, group, mutable, belongs = statement.result, emitted.state, True, None
            case tile_structure.Output(label=label, x=value):
                group, mutable = emitted.outputs, False
            case _:
                continue
        if value is None or value not in tiles:
            continue
        tile = tiles[value]
        name = label if belongs is None else f"{belongs}_{label}"
        symbol = symbols.take(name, is_global=False)
        op = statement.op
        changes, spread = False, ()
        if isinstance(op, tile_structure.State):
            changes, spread = op.mutable, op.spread
        tensor = HostTensor(label, symbol, region.name, tile.type, changes, belongs or MAIN, spread)
        group.append(tensor)
        exports.append(Export(symbol, tile.array, mutable))
    return exports
