"""The reference engine: one wavelet at a time; what the fast engine is measured against.

Where to find what: `engine` (the wafer, its agenda, the host's side), `processor` (a PE: main
thread, microthreads, the next task), `interpret` and `evaluate` (core CSL), `operate` and `map`
(DSD operations, element by element), `fabric` (routers, links, queues), `memory` (SRAM as words),
`deadlock` (who waits for whom).

It models what the vector engine leaves out: a link and a ramp carry one word per cycle for all
colors together, and a multicast word leaves a router for all its directions at once. Where neither
matters both engines yield the same cycles (tests/runtime/agreement).

It does not model: switches, control wavelets, filters, FIFOs, contention of microthreads with the
main thread for the arithmetic unit, bank conflicts.
"""

from __future__ import annotations

from waferc_runtime.reference.engine import ReferenceEngine

__all__ = ["ReferenceEngine"]
