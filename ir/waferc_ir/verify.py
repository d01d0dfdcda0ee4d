"""Rules of whole programs. An operation's own rules stand with the operation."""

from __future__ import annotations

from collections.abc import Iterator

from waferc_ir.diagnostics import WaferError, collect, counted
from waferc_ir.entries import common, entries, is_marker, own
from waferc_ir.ops import graph_structure, tile_structure
from waferc_ir.ops.declare import VerifyError
from waferc_ir.ops.stream import Transfer
from waferc_ir.printer import op_text, type_text, value_numbers
from waferc_ir.program import Program, Statement, Value
from waferc_ir.types import TiledType, Type
from waferc_ir.verify_wafer import wafer_problems

_FAMILIES = {"graph": ("graph",), "tiled": ("tile", "collective", "stream")}
_MAX_PROBLEMS = 50


def verify(program: Program) -> None:
    """Check a program against all rules of the IR.

    Raises:
        VerifyError: rules are broken; independent problems come together, each with its place.
    """
    numbers = value_numbers(program)
    problems: list[WaferError] = list(wafer_problems(program, numbers))
    defined: set[Value] = set()
    elsewhere: set[Value] = set()  # made in entries that are over
    shared = {s.result for s in common(program)}
    for statement in program.statements:
        if is_marker(statement.op):
            elsewhere |= defined - shared
            defined &= shared
        for problem in _statement_problems(program, statement, defined, elsewhere, numbers):
            problems.append(_placed(problem, statement, numbers))
        if statement.result is not None:
            defined.add(statement.result)
    problems += _entry_problems(program)
    problems += _label_problems(program)
    for entry in entries(program):
        problems += _store_problems(common(program), own(program, entry))
    error = collect(problems[:_MAX_PROBLEMS])
    if error is not None:
        raise error


def _placed(problem: VerifyError, statement: Statement, numbers: dict[Value, int]) -> VerifyError:
    problem.at = problem.at or statement.at
    shown = statement.at is not None and statement.op.name in (statement.at.text or "")
    if not shown:
        result = "" if statement.result is None else f"%{numbers[statement.result]} = "
        problem.notes = (*problem.notes, f"in {result}{op_text(statement.op, numbers)}")
    return problem


def _statement_problems(
    program: Program,
    statement: Statement,
    defined: set[Value],
    elsewhere: set[Value],
    numbers: dict[Value, int],
) -> Iterator[VerifyError]:
    op, result = statement.op, statement.result
    if op.name.split(".")[0] not in _FAMILIES[program.kind]:
        yield VerifyError(f"{op.name} stands in a {program.kind} program")
        return
    unknown = [value for value in op.operands() if value not in defined]
    for value in unknown:
        name = f"%{numbers[value]}" if value in numbers else "an operand"
        if value in elsewhere:
            yield VerifyError(
                f"{op.name}: {name} is made in another entry",
                help="entries share what stands before the first of them",
            )
        else:
            yield VerifyError(f"{op.name}: {name} is not defined before it is used")
    if result is not None and (result in defined or result in elsewhere):
        yield VerifyError(f"{op.name}: its result is the result of an earlier statement too")
    if (result is None) != (op.results == 0):
        has = "no result" if op.results == 0 else "a result"
        yield VerifyError(f"{op.name} has {has}, and the statement states otherwise")
    if unknown:
        return
    try:
        op.verify()
        computed = op.result_type()
    except VerifyError as problem:
        yield problem
        return
    if computed is not None and result is not None:
        if computed != result.type:
            yield VerifyError(
                f"{op.name}: the result is stated as {type_text(result.type)}"
                f" and is {type_text(computed)}"
            )
        yield from _region_problems(program, op.name, computed)
    if isinstance(op, Transfer):
        yield from _transfer_problems(program, op)


def _region_problems(program: Program, op: str, type: Type) -> Iterator[VerifyError]:
    """A tensor's region exists, and the blocks of its split dimensions cover their extents."""
    if not isinstance(type, TiledType):
        return
    region = next((region for region in program.regions if region.name == type.region), None)
    if region is None:
        known = ", ".join(f"@{region.name}" for region in program.regions)
        yield VerifyError(
            f"{op}: no region is called @{type.region}",
            help=f"known regions: {known}" if known else "declare it: region @name {...}",
        )
        return
    for dim, (extent, split) in enumerate(zip(type.shape, type.layout.splits, strict=True)):
        if split is None:
            continue
        pes = region.extent(split.axis) - split.first
        if split.block * pes < extent:
            yield VerifyError(
                f"{op}: {counted(pes, 'block')} of {split.block} along {split.axis} of"
                f" @{region.name} do not cover dimension {dim}, extent {extent}",
                help=f"blocks of {-(-extent // pes)} would" if pes > 0 else "",
            )


def _transfer_problems(program: Program, op: Transfer) -> Iterator[VerifyError]:
    """A stream that is split along y joins regions of one height."""
    source = op.x.type
    if not isinstance(source, TiledType) or source.layout.split_of("y") is None:
        return
    heights = {region.name: region.height for region in program.regions}
    source_height, target_height = heights.get(source.region), heights.get(op.region)
    if source_height and target_height and source_height != target_height:
        yield VerifyError(
            f"{op.name}: layout {source.layout} is split along y, and @{source.region} is"
            f" {source_height} PEs high and @{op.region} {target_height}"
        )


def _entry_problems(program: Program) -> Iterator[VerifyError]:
    """Only sources are common to entries, and states are; labels differ."""
    sources = (
        graph_structure.Parameter,
        graph_structure.State,
        graph_structure.Fill,
        tile_structure.State,
    )
    shared = common(program)
    for statement in shared:
        if not isinstance(statement.op, sources):
            yield VerifyError(
                f"{statement.op.name} stands before the first entry",
                statement.at,
                help="only weights and states are common to entries, and fills of a graph",
            )
    labels: dict[str, Statement] = {}
    for statement in program.statements[len(shared) :]:
        match statement.op:
            case graph_structure.Entry(label=label) | tile_structure.Entry(label=label):
                if labels.setdefault(label, statement) is not statement:
                    yield VerifyError(f"two entries are called {label!r}", statement.at)
            case graph_structure.State() | tile_structure.State(mutable=True) if labels:
                yield VerifyError(f"{statement.op.name} stands in an entry", statement.at)
            case _:
                pass


def _store_problems(
    shared: tuple[Statement, ...], mine: tuple[Statement, ...]
) -> Iterator[VerifyError]:
    """A store is to a state that nothing else stores to; only outputs and stores follow it."""
    makers = {s.result: s.op for s in (*shared, *mine) if s.result is not None}
    stored: dict[Value, Statement] = {}
    for statement in mine:
        op = statement.op
        if isinstance(op, graph_structure.Output | tile_structure.Output):
            continue
        if not isinstance(op, graph_structure.Store | tile_structure.Store):
            if stored:
                yield VerifyError(f"{op.name} stands behind a store", statement.at)
                return
            continue
        match makers.get(op.state):
            case graph_structure.State() | tile_structure.State(mutable=True):
                pass
            case _:
                yield VerifyError(f"{op.name} to what is no mutable state", statement.at)
        if stored.setdefault(op.state, statement) is not statement:
            yield VerifyError(f"{op.name}: a state is stored twice", statement.at)


def _label_problems(program: Program) -> Iterator[VerifyError]:
    """A label names one parameter or state, and in each entry one input, one output.

    In a tiled program an input or state may stand in several places (regions or layouts), as the
    same tensor.
    """
    tensors: dict[tuple[str, str, str], tuple[tuple[int, ...], object]] = {}
    placed: dict[tuple[str, ...], Statement] = {}
    entry = ""
    for statement in program.statements:
        match statement.op:
            case graph_structure.Entry(label=label) | tile_structure.Entry(label=label):
                entry = label
                continue
            case graph_structure.Output(label=label) | tile_structure.Output(label=label):
                where = ("output", label, entry)
            case graph_structure.Input(label=label):
                where = ("input", label, entry)
            case graph_structure.Parameter(label=label):
                where = ("parameter", label)
            case graph_structure.State(label=label):
                where = ("state", label)
            case tile_structure.State(label=label, mutable=True):
                where = ("state", label)
            case tile_structure.Input() | tile_structure.State() as op:
                is_input = isinstance(op, tile_structure.Input)
                role, inside = ("input", entry) if is_input else ("state", "")
                label = op.label
                where = (role, label, inside, op.region, str(op.layout))
                first = tensors.setdefault((role, label, inside), (op.shape, op.dtype))
                if first != (op.shape, op.dtype):
                    yield VerifyError(
                        f"{role} {label!r} has another shape or element type than before",
                        statement.at,
                    )
            case _:
                continue
        first_statement = placed.setdefault(where, statement)
        if first_statement is not statement:
            yield VerifyError(
                f"{where[0]} {label!r} stands twice in the program",
                statement.at,
                notes=[] if first_statement.at is None else [f"first at {first_statement.at}"],
            )
