"""Where cycles go: they add up on every PE, and both engines tell the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from tests.runtime.agreement.strategies_conversation import conversations
from tests.runtime.agreement.strategies_core import ARRAYS, Drawn, programs
from tests.runtime.agreement.test_agreement import SLOW
from tests.runtime.agreement.test_emitted import (
    NAMES,
    random_inputs,
    run,
    sources_of,
)

from waferc_ir.machine import MACHINES, Machine
from waferc_runtime.csl.core import Elaborated
from waferc_runtime.csl.elaborate import elaborate
from waferc_runtime.host.engines import ENGINES, Engine
from waferc_runtime.profile import Area, FunctionTotals, Profile, Profiler
from waferc_runtime.run_error import RunError
from waferc_runtime.statistics import Statistics


def watched(drawn: Drawn, engine_name: str) -> tuple[Profile, Statistics]:
    """The second of two launches; both at rest, as the first error ends the run."""
    profiler = Profiler(drawn.program)
    machine = MACHINES[drawn.program.arch]
    engine = ENGINES[engine_name](drawn.program, machine, observer=profiler)
    for name, array in zip(ARRAYS, drawn.values, strict=True):
        engine.write(name, 0, 0, array)
    engine.launch("main")
    before = engine.statistics()
    profiler.begin(before.cycles)
    engine.launch("main")
    after = engine.statistics()
    profile = profiler.end(after.cycles)
    np.testing.assert_array_equal(
        profile.spent[:3].sum(axis=0), after.busy_cycles - before.busy_cycles
    )
    assert profile.cycles == after.cycles - before.cycles
    return profile, after


def assert_adds_up(profile: Profile) -> None:
    assert (profile.spent >= 0).all()
    assert (profile.spent.sum(axis=0) == profile.cycles).all()
    for part in profile.parts:
        for sample in part.samples:
            tasks = [span for span in sample.spans if len(span.path) == 1]
            parts = [(t.spent.compute, t.spent.moving, t.spent.conflicts) for t in tasks]
            total = np.sum(parts, axis=0) if parts else np.zeros(3, np.int64)
            np.testing.assert_array_equal(profile.spent[:3, sample.y, sample.x], total)
            for inner in sample.spans:
                assert 0 <= inner.begin <= inner.end <= profile.cycles
                assert inner.spent.total == inner.end - inner.begin
                if len(inner.path) > 1:
                    assert any(
                        outer.path == inner.path[:-1]
                        and outer.begin <= inner.begin <= inner.end <= outer.end
                        for outer in sample.spans
                    )


def operations(profile: Profile) -> list[dict[tuple[str, ...], tuple[int, int, int, int]]]:
    """Asynchronous operations of each part: how often, and what they worked."""
    return [
        {
            one.path: (one.calls, one.spent.compute, one.spent.moving, one.spent.conflicts)
            for one in part.operations
        }
        for part in profile.parts
    ]


def functions(profile: Profile) -> list[dict[tuple[str, ...], FunctionTotals]]:
    return [{one.path: one for one in part.functions} for part in profile.parts]


@settings(SLOW, max_examples=30)
@given(programs() | conversations())
def test_cycles_add_up_alike(drawn: Drawn) -> None:
    try:
        reference, measured = watched(drawn, "reference")
    except RunError:
        return
    vector, found = watched(drawn, "vector")
    assert_adds_up(reference)
    assert_adds_up(vector)
    # what they do is the same; when they do it where words of several colors meet is not
    np.testing.assert_array_equal(reference.spent[:3], vector.spent[:3])
    assert operations(reference) == operations(vector)
    if measured.cycles == found.cycles:
        np.testing.assert_array_equal(reference.spent, vector.spent)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("machine", [MACHINES["wse2"], MACHINES["wse3"]], ids=lambda m: m.name)
def test_emitted_kernels_tell_the_same_of_every_function(name: str, machine: Machine) -> None:
    program = elaborate(sources_of(name), "layout.csl", machine, {})
    profiles: list[Profile] = []
    for engine_name in ("reference", "vector"):
        profiler = Profiler(program)
        engine = ENGINES[engine_name](program, machine, observer=profiler)
        profiler.begin(0)
        run(engine, program, random_inputs(program))
        profiles.append(profiler.end(engine.statistics().cycles))
        assert_adds_up(profiles[-1])
    assert functions(profiles[0]) == functions(profiles[1])
    kernels = [path for path in functions(profiles[0])[0] if len(path) == 2]
    assert kernels


def test_a_class_in_two_areas_is_two_parts() -> None:
    program, machine = _copies(), MACHINES["wse3"]
    areas = [Area("left", 0, 0, 1, 2), Area("right", 1, 0, 2, 2)]
    whole, divided = Profiler(program), Profiler(program, areas)
    for profiler in (whole, divided):
        engine: Engine = ENGINES["vector"](program, machine, observer=profiler)
        profiler.begin(0)
        engine.launch("main")
        profiler.end(engine.statistics().cycles)
    both = [profiler.end(0) for profiler in (whole, divided)]
    (one,), (left, right) = (profile.parts for profile in both)
    assert (left.region, right.region, one.region) == ("left", "right", "pe.csl")
    assert (left.pes, right.pes, one.pes) == (2, 4, 6)
    for a, b, c in zip(left.functions, right.functions, one.functions, strict=True):
        assert a.path == b.path == c.path
        assert a.calls + b.calls == c.calls
        assert a.spent.compute + b.spent.compute == c.spent.compute
    assert {(s.x, s.y) for s in right.samples} == {(1, 0), (2, 0), (1, 1), (2, 1)}


def test_who_does_not_want_spans_is_told_none() -> None:
    program = _copies()
    profiler = Profiler(program)
    engine = ENGINES["vector"](program, MACHINES["wse3"], observer=profiler)
    engine.launch("main")
    profiler.begin(engine.statistics().cycles)
    assert all(not part.functions for part in profiler.end(0).parts)


def _copies() -> Elaborated:
    """A program of 3 x 2 PEs, each of which works as long as its column says."""
    sources = {
        "layout.csl": """
            layout {
              @set_rectangle(3, 2);
              for (@range(u16, 3)) |x| {
                for (@range(u16, 2)) |y| {
                  @set_tile_code(x, y, "pe.csl", .{ .px = x });
                }
              }
              @export_name("main", fn () void);
            }
        """,
        "pe.csl": """
            param px: u16;
            var data = @zeros([64]f32);
            fn work() void {
              const all = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{64} -> data[i] });
              for (@range(u16, px + 1)) |i| {
                @fadds(all, all, 1.0);
              }
            }
            fn main() void {
              work();
            }
            comptime {
              @export_symbol(main);
            }
        """,
    }
    return elaborate(sources, "layout.csl", MACHINES["wse3"], {})
