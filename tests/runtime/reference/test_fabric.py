"""Links, queues and back-pressure, by the words of the module `fabric`."""

from __future__ import annotations

import pytest
from tests.runtime.agreement.programs import RouteBook

from waferc_ir.machine import MACHINES, Machine
from waferc_runtime.builtins.timing import flight_cycles, path_capacity_wavelets
from waferc_runtime.csl.core import EAST, RAMP, WEST
from waferc_runtime.reference.buffers import Wavelet
from waferc_runtime.reference.fabric import Fabric, FabricHooks
from waferc_runtime.reference.routers import Routers, UnroutedError


class Bench:
    """A fabric with an agenda, on which words are put and taken by hand."""

    def __init__(self, book: RouteBook, machine: Machine, depth: int) -> None:
        self.agenda: set[tuple[int, int]] = set()
        self.now = 0
        routers = Routers(book.width, book.height, book.routes, writes_registers=False)
        self.fabric = Fabric(routers, machine, FabricHooks(lambda pe, color: depth, self.wake))

    def wake(self, pe: int, cycle: int) -> None:
        self.agenda.add((max(cycle, self.now), pe))

    def run_until(self, cycle: int) -> None:
        while self.agenda and min(self.agenda)[0] <= cycle:
            event = min(self.agenda)
            self.agenda.discard(event)
            self.now = event[0]
            self.fabric.step(event[1], self.now)
        self.now = cycle


def put_all(bench: Bench, colors: list[int], count: int, until: int) -> list[int]:
    """Offer `count` words of each color on PE 0, a queue each; the cycles they were put at."""
    put: list[int] = []
    left = dict.fromkeys(colors, count)
    for cycle in range(until):
        bench.run_until(cycle)
        for color in colors:
            if left[color] and bench.fabric.can_put(0, color, cycle):
                bench.fabric.put(0, color, Wavelet(color, left[color]), cycle)
                left[color] -= 1
                put.append(cycle)
    return put


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
@pytest.mark.parametrize("hops", [1, 3])
def test_a_stalled_path_holds_queues_and_router_buffers(arch: str, hops: int) -> None:
    machine = MACHINES[arch]
    book = RouteBook(4, 1)
    book.line(2, 0, 0, EAST, hops)
    depth = machine.input_queue_depths[3]
    bench = Bench(book, machine, depth)
    put = put_all(bench, [2], 100, 200)
    assert len(put) == path_capacity_wavelets(2, 3, hops, machine)
    # a word that is consumed makes room one cycle later
    bench.fabric.take(hops, 2, 200)
    bench.run_until(200)
    assert not bench.fabric.can_put(0, 2, 200)
    bench.run_until(201)
    assert bench.fabric.can_put(0, 2, 201)


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
def test_colors_share_a_link_fairly(arch: str) -> None:
    machine = MACHINES[arch]
    book = RouteBook(2, 1)
    for color in (1, 2, 3):
        book.line(color, 0, 0, EAST, 1)
    bench = Bench(book, machine, 1000)
    put_all(bench, [1, 2, 3], 30, 200)
    bench.run_until(300)
    for place in range(30):
        arrivals = [bench.fabric.input(1, color).words[place][0] for color in (1, 2, 3)]
        # the ramp carries one word per cycle: rounds of three follow each other
        first = flight_cycles(1, machine) + 3 * place
        assert sorted(arrivals) == [first, first + 1, first + 2]


def test_a_multicast_word_leaves_a_router_for_all_directions_at_once() -> None:
    machine = MACHINES["wse2"]
    book = RouteBook(3, 1)
    book.line(2, 0, 0, EAST, 2, drop=True)
    bench = Bench(book, machine, 2)
    put_all(bench, [2], 50, 100)
    assert (bench.fabric.held(1, 2), bench.fabric.held(2, 2)) == (2, 2)
    bench.fabric.take(2, 2, 100)
    bench.run_until(150)
    assert (bench.fabric.held(1, 2), bench.fabric.held(2, 2)) == (2, 1)
    bench.fabric.take(1, 2, 150)
    bench.run_until(200)
    assert (bench.fabric.held(1, 2), bench.fabric.held(2, 2)) == (2, 2)


def test_words_of_a_color_keep_their_order() -> None:
    book = RouteBook(2, 2)
    book.line(2, 1, 0, WEST, 1)
    bench = Bench(book, MACHINES["wse3"], 100)
    for word in range(9):
        bench.run_until(word)
        bench.fabric.put(1, 2, Wavelet(2, word), word)
    bench.run_until(100)
    assert [bench.fabric.take(0, 2, 100).bits for _ in range(9)] == list(range(9))


def test_a_word_without_a_route_is_refused() -> None:
    book = RouteBook(2, 1)
    book.add(2, 0, 0, RAMP, EAST)
    bench = Bench(book, MACHINES["wse2"], 2)
    with pytest.raises(UnroutedError, match="no route takes it from the ramp"):
        bench.fabric.put(1, 2, Wavelet(2, 0), 0)
    with pytest.raises(UnroutedError, match="ends at no ramp"):
        bench.fabric.put(0, 2, Wavelet(2, 0), 0)
    book.add(2, 0, 0, 0, RAMP)
    bench = Bench(book, MACHINES["wse2"], 2)
    bench.fabric.put(0, 2, Wavelet(2, 0), 0)
    with pytest.raises(UnroutedError, match="came from the west"):
        bench.run_until(100)


def test_sources_and_destinations_follow_the_routes() -> None:
    book = RouteBook(4, 1)
    book.line(2, 0, 0, EAST, 3, drop=True)
    fabric = Bench(book, MACHINES["wse2"], 2).fabric
    assert fabric.routers.destinations(0, 2) == [1, 2, 3]
    assert [fabric.routers.source(pe, 2) for pe in range(4)] == [0, 0, 0, 0]
    assert fabric.routers.source(2, 5) is None
    assert not fabric.traffic.link_load
