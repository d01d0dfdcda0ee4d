"""Both engines: the same memory, the same cycles, the same verdict.

Cycles are equal to the last where every word goes on as soon as there is room for it. The vector
engine gives each color the links for itself and each receiver of a multicast its own way. Where
words of several colors meet on a link, or a receiver of a multicast holds up the others, it may
differ, but by no more cycles than words waited for that.
"""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from tests.runtime.agreement.engines import Outcome, on_reference, on_vector
from tests.runtime.agreement.strategies_conversation import conversations
from tests.runtime.agreement.strategies_core import Drawn, programs

from waferc_ir.machine import MACHINES
from waferc_runtime.check import check_program

SLOW = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def assert_agreement(reference: Outcome, vector: Outcome) -> None:
    verdicts = [None if o.error is None else str(o.error) for o in (reference, vector)]
    assert (verdicts[0] is None) == (verdicts[1] is None), verdicts
    if reference.error is not None:
        return
    np.testing.assert_array_equal(reference.memory, vector.memory)
    expected, found = reference.statistics, vector.statistics
    assert found.macs == expected.macs
    assert found.flops == expected.flops
    assert found.wavelets_sent == expected.wavelets_sent
    if reference.words_left == 0:  # the vector engine counts a word's hops when it is sent
        assert found.wavelet_hops == expected.wavelet_hops
        np.testing.assert_array_equal(found.link_load, expected.link_load)
    np.testing.assert_array_equal(found.busy_cycles, expected.busy_cycles)
    late = reference.contended + reference.multicast_wait
    assert abs(found.cycles - expected.cycles) <= late


@SLOW
@given(programs())
def test_programs_run_alike(drawn: Drawn) -> None:
    problems = check_program(drawn.program, MACHINES[drawn.program.arch])
    assert [str(problem) for problem in problems] == []
    assert_agreement(on_reference(drawn), on_vector(drawn))


@settings(SLOW, max_examples=30)
@given(programs())
def test_a_second_launch_runs_alike(drawn: Drawn) -> None:
    assert_agreement(on_reference(drawn, 2), on_vector(drawn, 2))


@SLOW
@given(conversations())
def test_conversations_end_alike(drawn: Drawn) -> None:
    assert_agreement(on_reference(drawn), on_vector(drawn))
