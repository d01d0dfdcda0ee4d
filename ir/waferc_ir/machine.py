"""Machine descriptions: every constant of the wafer's model, with its source and confidence.

Confidence: H = vendor statement confirmed by a measurement or two independent sources; M = one
good source or a clean fit; L = single unreviewed source or inference; A = our assumption.
Cycles are integers; seconds follow from `clock_hz`, which is a profile of the system.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Literal

from waferc_ir.diagnostics import WaferError

Arch = Literal["wse2", "wse3"]
Confidence = Literal["H", "M", "L", "A"]


class MachineError(WaferError):
    """No such machine, or a grid that the machine does not have."""

    code = "machine"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a constant comes from and how far to trust it."""

    confidence: Confidence
    source: str


@dataclass(frozen=True, slots=True)
class Machine:
    """A wafer: program rectangle, SRAM, colors, queues, cycle and energy constants."""

    name: str
    arch: Arch
    fabric_width: int
    fabric_height: int
    program_width: int
    program_height: int
    sram_bytes: int
    reserved_bytes: int  # code, stack and descriptors when the emitted size is smaller
    colors: int  # routable
    reserved_colors: tuple[int, ...]  # taken by host input and output
    input_queue_depths: tuple[int, ...]  # wavelets, by queue id
    output_queue_depths: tuple[int, ...]
    reserved_input_queues: tuple[int, ...]
    reserved_output_queues: tuple[int, ...]
    first_local_task: int
    hop_cycles: int
    ramp_cycles: int  # between router and compute element, each way
    router_buffer_wavelets: int  # per color and input
    dsd_setup_cycles: int  # fixed cost of a DSD operation
    dsr_load_cycles: int  # a descriptor brought from memory into a register
    f16_elements_per_cycle: int  # at once, where the memory allows it, as all that follow
    f32_elements_per_cycle: int  # @fmuls, @fmacs
    f32_add_elements_per_cycle: int  # other f32 operations
    mixed_elements_per_cycle: int  # @fmachs, @faddhs
    i16_elements_per_cycle: int
    i32_elements_per_cycle: int
    special16_elements_per_cycle: int  # @fmaxh, @fh2xp16, @xp162fh
    special32_elements_per_cycle: int  # @fmaxs, conversions to or from f32, shifts
    sram_banks: int  # interleaved by 16-bit words; each is read once per cycle
    sram_write_words: int  # 16-bit words written per cycle
    scalar_cycles: int  # one scalar operation, load or store
    loop_cycles: int  # per iteration of a loop, on top of what its body costs
    dsd_update_cycles: int  # @set_dsd_base_addr, @increment_dsd_offset and relatives
    call_cycles: int  # call and return of a function
    divide_cycles: int  # f32 divide, software
    math_cycles: int  # exp, tanh, sqrt and other library functions, software
    task_switch_cycles: int  # start of a local or control task
    data_task_cycles: int  # start of a data task
    fused_multiply_add: bool  # one rounding in @fmacs, @fmach
    clock_hz: int
    static_pj_per_cycle: float
    sram_pj_per_byte: float
    f32_pj_per_flop: float
    f16_pj_per_flop: float
    hop_pj_per_wavelet: float
    issue_pj_per_busy_cycle: float
    idle_watts: float  # whole system
    active_watts: float
    # From wafer to wafer, over the network: at best, as is reckoned with, at worst.
    wafer_link_latency_ns: tuple[int, int, int]
    wafer_link_megabytes_per_second: tuple[int, int, int]
    provenance: Mapping[str, Provenance]

    def grid(self, width: int, height: int) -> Machine:
        """The same machine with a smaller program rectangle.

        Raises:
            MachineError: the grid is empty or larger than the machine's.
        """
        if not (0 < width <= self.program_width and 0 < height <= self.program_height):
            raise MachineError(
                f"a grid of {width} x {height} PEs does not fit {self.name}",
                notes=[
                    f"its program rectangle has {self.program_width} x {self.program_height} PEs"
                ],
                help="give a smaller region",
            )
        return replace(self, program_width=width, program_height=height)


@dataclass(frozen=True, slots=True)
class Constant:
    """One constant of a machine as a row of a table."""

    name: str
    value: str
    provenance: Provenance


def constants(of: Machine) -> tuple[Constant, ...]:
    """Every constant that has a source, in the order of the fields."""
    return tuple(
        Constant(field.name, _written(getattr(of, field.name)), of.provenance[field.name])
        for field in fields(of)
        if field.name in of.provenance
    )


def describe(of: Machine) -> str:
    """A table of the machine's constants: name, value, confidence and source."""
    rows = [("constant", "value", "", "source")]
    rows += [
        (row.name, row.value, row.provenance.confidence, row.provenance.source)
        for row in constants(of)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "  ".join([*(f"{row[i]:<{widths[i]}}" for i in range(3)), row[3]]).rstrip() for row in rows
    ]
    return "\n".join([f"{of.name} ({of.arch})", *lines]) + "\n"


def _written(content: object) -> str:
    match content:
        case bool():
            return "yes" if content else "no"
        case int():
            return f"{content:,}"
        case tuple():
            items: tuple[object, ...] = content  # pyright: ignore[reportUnknownVariableType]
            return " ".join(map(str, items)) or "none"
        case _:
            return str(content)


_SIZES = Provenance("H", "vendor scripts (--fabric-dims), csl-examples single-tile-matvec README")
_BOTH: dict[str, Provenance] = {
    "fabric_width": _SIZES,
    "fabric_height": _SIZES,
    "sram_bytes": Provenance("H", "SDK documentation, appendix; SDK white paper 2022"),
    "colors": Provenance("H", "SDK documentation, appendix"),
    "reserved_colors": Provenance("H", "csl-examples: memcpy takes 21, 22, 23"),
    "input_queue_depths": Provenance("M", "SDK documentation, DSDs"),
    "output_queue_depths": Provenance("M", "SDK documentation, DSDs"),
    "reserved_input_queues": Provenance("M", "SDK documentation, memcpy"),
    "reserved_output_queues": Provenance("M", "SDK documentation, memcpy"),
    "first_local_task": Provenance("H", "SDK documentation, task ids"),
    "router_buffer_wavelets": Provenance("A", "not published"),
    "dsr_load_cycles": Provenance("M", "SpMM_Cerebras: 5,158 against 5,130 cycles, 3 registers"),
    "f32_elements_per_cycle": Provenance("H", "SpMM_Cerebras raw data; Jacquelin et al. SC'22"),
    "special16_elements_per_cycle": Provenance("M", "SDK documentation, appendix"),
    "special32_elements_per_cycle": Provenance("M", "SDK documentation, appendix"),
    "sram_banks": Provenance("H", "SDK documentation, appendix; SpMM_Cerebras: 2,062 for 1,034"),
    "scalar_cycles": Provenance("A", "one issue per cycle"),
    "dsd_update_cycles": Provenance("A", "part of the 16 to 27 cycles of a loop iteration"),
    "call_cycles": Provenance("A", "not published"),
    "divide_cycles": Provenance("L", "comments in csl-examples bicgstab/src/blas.csl"),
    "math_cycles": Provenance("A", "software routines, as long as two divides"),
    "task_switch_cycles": Provenance("A", "not published"),
    "fused_multiply_add": Provenance("A", "not published; FMAC units suggest one rounding"),
    "active_watts": Provenance("H", "Jacquelin et al. SC'22, Fig. 10 (CS-2)"),
    "idle_watts": Provenance("H", "Jacquelin et al. SC'22, Fig. 10 (CS-2)"),
    "static_pj_per_cycle": Provenance("M", "derived: idle power over active PEs at 0.85 GHz"),
    "sram_pj_per_byte": Provenance("L", "split that closes on the measured dynamic power"),
    "f32_pj_per_flop": Provenance("L", "generic 7 nm"),
    "f16_pj_per_flop": Provenance("L", "generic 7 nm"),
    "hop_pj_per_wavelet": Provenance("L", "WaferLLM, table 1: 0.1 pJ/bit"),
    "issue_pj_per_busy_cycle": Provenance("A", "closes the budget"),
    "wafer_link_latency_ns": Provenance(
        "L",
        "a talk of 2026: 2 us; notes of two CS-3: network 11 us, with all software 171 us",
    ),
    "wafer_link_megabytes_per_second": Provenance(
        "L", "12 x 100 GbE; vendor's claims 125 to 150 GB/s; csl-examples: 14 GB/s through the host"
    ),
}

WSE2 = Machine(
    name="wse2",
    arch="wse2",
    fabric_width=757,
    fabric_height=996,
    program_width=750,
    program_height=994,
    sram_bytes=49_152,
    reserved_bytes=6_144,
    colors=24,
    reserved_colors=(21, 22, 23),
    input_queue_depths=(6, 6, 4, 4, 2, 2, 2, 2),
    output_queue_depths=(2, 2, 6, 6, 2, 2),
    reserved_input_queues=(0,),
    reserved_output_queues=(0,),
    first_local_task=0,
    hop_cycles=1,
    ramp_cycles=2,
    router_buffer_wavelets=2,
    dsd_setup_cycles=6,
    dsr_load_cycles=9,
    f16_elements_per_cycle=4,
    f32_elements_per_cycle=1,
    f32_add_elements_per_cycle=2,
    mixed_elements_per_cycle=2,
    i16_elements_per_cycle=4,
    i32_elements_per_cycle=2,
    special16_elements_per_cycle=1,
    special32_elements_per_cycle=1,
    sram_banks=8,
    sram_write_words=4,
    scalar_cycles=1,
    loop_cycles=2,
    dsd_update_cycles=3,
    call_cycles=4,
    divide_cycles=50,
    math_cycles=100,
    task_switch_cycles=10,
    data_task_cycles=30,
    fused_multiply_add=True,
    clock_hz=850_000_000,
    static_pj_per_cycle=22.0,
    sram_pj_per_byte=0.94,
    f32_pj_per_flop=0.85,
    f16_pj_per_flop=0.25,
    hop_pj_per_wavelet=3.2,
    issue_pj_per_busy_cycle=3.0,
    idle_watts=16_100.0,
    active_watts=22_800.0,
    wafer_link_latency_ns=(2_000, 11_000, 171_000),
    wafer_link_megabytes_per_second=(150_000, 125_000, 14_000),
    provenance=MappingProxyType(
        _BOTH
        | {
            "program_width": _SIZES,
            "program_height": _SIZES,
            "reserved_bytes": Provenance("M", "SpMM_Cerebras reserves 6 KiB for code"),
            "hop_cycles": Provenance("H", "SDK white paper; HPDC'24; fit of SpMM_Cerebras data"),
            "ramp_cycles": Provenance("H", "HPDC'24; fit of SpMM_Cerebras data"),
            "dsd_setup_cycles": Provenance("M", "SpMM_Cerebras: 1,028 elements in 1,034 cycles"),
            "f16_elements_per_cycle": Provenance("H", "SC'22; SDK white paper: eight operations"),
            "f32_add_elements_per_cycle": Provenance(
                "H", "SDK documentation, appendix; SpMM_Cerebras: 5,124 elements in 2,597 cycles"
            ),
            "mixed_elements_per_cycle": Provenance("M", "SDK documentation, appendix"),
            "i16_elements_per_cycle": Provenance("M", "SDK documentation, appendix"),
            "i32_elements_per_cycle": Provenance("M", "SDK documentation, appendix"),
            "sram_write_words": Provenance("H", "Hot Chips 34; SC'22; HPDC'24: 8 bytes"),
            "loop_cycles": Provenance("L", "SpMM_Cerebras: 16 to 27 with base updates"),
            "data_task_cycles": Provenance("L", "from wse3: 40 for each wavelet, body included"),
            "clock_hz": Provenance("H", "csl-examples; HPDC'24; WaferLLM uses 1.1 GHz"),
        }
    ),
)

WSE3 = replace(
    WSE2,
    name="wse3",
    arch="wse3",
    fabric_width=762,
    fabric_height=1172,
    program_width=755,
    program_height=1170,
    input_queue_depths=(8, 8, 4, 4, 4, 4, 4, 4),
    output_queue_depths=(8,) * 8,
    reserved_input_queues=(0, 1),
    reserved_output_queues=(0,),
    first_local_task=8,
    hop_cycles=2,
    f16_elements_per_cycle=8,
    f32_add_elements_per_cycle=4,
    mixed_elements_per_cycle=4,
    i16_elements_per_cycle=8,
    i32_elements_per_cycle=4,
    special16_elements_per_cycle=8,
    special32_elements_per_cycle=4,
    data_task_cycles=33,
    clock_hz=750_000_000,
    sram_pj_per_byte=0.7,
    f32_pj_per_flop=0.6,
    f16_pj_per_flop=0.2,
    hop_pj_per_wavelet=2.5,
    issue_pj_per_busy_cycle=2.5,
    active_watts=23_000.0,
    provenance=MappingProxyType(
        _BOTH
        | {
            "program_width": Provenance("M", "fabric minus 7, as for wse2"),
            "program_height": Provenance("M", "fabric minus 2, as for wse2"),
            "reserved_bytes": Provenance("L", "as wse2"),
            "hop_cycles": Provenance("M", "device notes of one CS-3; wse-viz landing times"),
            "ramp_cycles": Provenance("A", "as wse2"),
            "dsd_setup_cycles": Provenance("M", "254 elements of @fmachs in 135.09 with a loop"),
            "dsr_load_cycles": Provenance("A", "as wse2"),
            "f16_elements_per_cycle": Provenance("M", "SDK documentation; press 2024: 8-wide"),
            "f32_add_elements_per_cycle": Provenance("M", "SDK documentation, appendix"),
            "mixed_elements_per_cycle": Provenance("M", "SDK documentation, appendix"),
            "i16_elements_per_cycle": Provenance("M", "SDK documentation, appendix"),
            "i32_elements_per_cycle": Provenance("M", "SDK documentation, appendix"),
            "sram_write_words": Provenance("M", "254 elements of @fmachs in 135.09 cycles"),
            "loop_cycles": Provenance("M", "254 elements of @fmachs in 135.09 with a loop"),
            "data_task_cycles": Provenance("L", "notes of one CS-3: 43.3 per wavelet with body"),
            "clock_hz": Provenance("M", "device notes: counter against wall clock on a CS-3"),
            "idle_watts": Provenance("L", "as wse2"),
            "active_watts": Provenance("L", "derived from 57 GFLOP/J"),
            "sram_pj_per_byte": Provenance("A", "scaled from wse2"),
            "f32_pj_per_flop": Provenance("A", "scaled from wse2"),
            "f16_pj_per_flop": Provenance("A", "scaled from wse2"),
            "hop_pj_per_wavelet": Provenance("A", "scaled from wse2"),
            "issue_pj_per_busy_cycle": Provenance("A", "scaled from wse2"),
        }
    ),
)

MACHINES: Mapping[str, Machine] = MappingProxyType({"wse2": WSE2, "wse3": WSE3})


def machine(name: str) -> Machine:
    """The machine called `name`.

    Raises:
        MachineError: there is none of that name.
    """
    if name not in MACHINES:
        raise MachineError(
            f"no machine is called {name!r}", help=f"known machines: {', '.join(MACHINES)}"
        )
    return MACHINES[name]
