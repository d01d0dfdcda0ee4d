"""The reference engine: one wavelet at a time; what the fast engine is measured against.

Where to find what: `engine` (the wafer, its agenda, the host's side), `exported` (symbols),
`processor` (a PE: main thread, microthreads), `tasks` (the next task), `interpret`, `evaluate`
and `library` (core CSL), `operands`, `operate`, `arithmetic` and `map` (DSD operations, element by
element), `microthreads` (what may not run at once), `datapath` (whose turn it is), `fifo`, `memory`
(SRAM as words), `config` (configuration registers), `fabric` and `buffers` (links, queues),
`router`, `routers` and `filters` (where wavelets go), `deadlock` (who waits for whom).

It models what the vector engine leaves out: a link and a ramp carry one word per cycle for all
colors together, a multicast word leaves a router for all its directions at once, and, if chosen,
the threads of a PE take turns on its datapath. Where none of these matters both engines yield the
same cycles (tests/runtime/agreement).
"""

from __future__ import annotations

from waferc_runtime.reference.engine import ReferenceEngine

__all__ = ["ReferenceEngine"]
