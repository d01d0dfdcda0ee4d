"""The reference engine: one wavelet at a time; what the fast engine is measured against.

Where to find what: `engine` (the wafer, its agenda, the host's side), `exported` (symbols),
`processor` (a PE: main thread, microthreads), `tasks` (the next task), `interpret`, `evaluate`
and `library` (core CSL), `operands`, `operate` and `map` (DSD operations, element by element),
`microthreads` (what may not run at once), `fifo`, `memory` (SRAM as words), `config`
(configuration registers), `fabric` and `buffers` (links, queues), `router`, `routers` and
`filters` (where wavelets go), `deadlock` (who waits for whom).

It models what the vector engine leaves out: a link and a ramp carry one word per cycle for all
colors together, and a multicast word leaves a router for all its directions at once. Where neither
matters both engines yield the same cycles (tests/runtime/agreement).

It does not model: contention of microthreads with the main thread for the arithmetic unit.
"""

from __future__ import annotations

from waferc_runtime.reference.engine import ReferenceEngine

__all__ = ["ReferenceEngine"]
