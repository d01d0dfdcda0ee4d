"""Bytes of SRAM in the PEs of each region: weights, activations, code and stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from waferc.analysis.liveness import Storage, storages
from waferc.analysis.scratch import region_scratch, region_vector_functions
from waferc.layouts.code_size import BASE_BYTES, STACK_BYTES, code_bytes, vector_function_bytes
from waferc_ir.machine import Machine
from waferc_ir.program import Program, Statement
from waferc_ir.types import TiledType


@dataclass(frozen=True, slots=True)
class Placed:
    """An array of a region: its storages, none of them needed at the same time as another."""

    elements: int
    storages: tuple[Storage, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes in a PE's SRAM."""
        return max(storage.size_bytes for storage in self.storages)


@dataclass(frozen=True, slots=True)
class Footprint:
    """The SRAM of one PE of a region, in bytes."""

    region: str
    state_bytes: int
    activation_bytes: int
    code_bytes: int
    limit_bytes: int
    reserved_bytes: int

    @property
    def overhead_bytes(self) -> int:
        """Code and stack; at least what the machine reserves for them."""
        return max(self.reserved_bytes, self.code_bytes + STACK_BYTES)

    @property
    def total_bytes(self) -> int:
        """Everything."""
        return self.state_bytes + self.activation_bytes + self.overhead_bytes

    @property
    def over_bytes(self) -> int:
        """What does not fit; negative where room is left."""
        return self.total_bytes - self.limit_bytes


def arrays(found: Sequence[Storage]) -> list[Placed]:
    """Storages packed into arrays of one region and element type each.

    Weights have arrays of their own. The others are taken from the largest down; each goes into
    the smallest array that is free while it lives.
    """
    packed: list[list[Storage]] = []
    order = sorted(range(len(found)), key=lambda n: (-found[n].elements, found[n].first, n))
    for number in order:
        storage = found[number]
        home: list[Storage] | None = None
        if not storage.is_state:
            for candidate in packed:
                head = candidate[0]
                same = (head.region, head.dtype) == (storage.region, storage.dtype)
                if same and not head.is_state and not any(map(storage.meets, candidate)):
                    home = candidate  # they come in falling sizes: the last is the tightest
        if home is None:
            packed.append([storage])
        else:
            home.append(storage)
    return [Placed(content[0].elements, tuple(content)) for content in packed]


def footprints(program: Program, machine: Machine) -> list[Footprint]:
    """The SRAM of each region of a tiled program, in the order of the regions."""
    packed = arrays(storages(program))
    code = {region.name: BASE_BYTES for region in program.regions}
    for statement in program.statements:
        for name in _regions(statement):
            code[name] += code_bytes(statement.op)
    for name in code:
        shared = region_vector_functions(program.statements, name, machine)
        code[name] += sum(vector_function_bytes(function) for function in shared)
    result: list[Footprint] = []
    for region in program.regions:
        mine = [a for a in packed if a.storages[0].region == region.name]
        states = sum(a.size_bytes for a in mine if a.storages[0].is_state)
        scratch = region_scratch(program.statements, region.name, machine)
        result.append(
            Footprint(
                region.name,
                states,
                sum(a.size_bytes for a in mine)
                - states
                + sum(dtype.size_bytes * elements for dtype, elements in scratch.items()),
                code[region.name],
                machine.sram_bytes,
                machine.reserved_bytes,
            )
        )
    return result


def _regions(statement: Statement) -> set[str]:
    """Regions whose PEs take part in an operation."""
    types = [operand.type for operand in statement.op.operands()]
    if statement.result is not None:
        types.append(statement.result.type)
    return {given.region for given in types if isinstance(given, TiledType)}
