"""Each fault that the checker knows, seeded into a sound program, and the sound program itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.runtime.agreement.programs import RouteBook, Tile, dsd, truth

from waferc_ir.machine import MACHINES
from waferc_runtime.check import check_program
from waferc_runtime.csl import core
from waferc_runtime.csl.core import EAST, NORTH, RAMP, SOUTH, WEST, Elaborated

WSE2 = MACHINES["wse2"]


def sound(
    width: int = 4, sender: int = 0, receivers: tuple[int, ...] = (1, 2, 3)
) -> tuple[Tile, RouteBook]:
    """PE 0 broadcasts eight words eastward on color 5."""
    tile = Tile(width, 2)
    data = tile.array("data", 8)
    book = RouteBook(width, 2)
    for y in range(2):
        book.line(5, 0, y, EAST, width - 1, drop=True)
    out, into = tile.fabout(5, 2, 8), tile.fabin(5, 3, 8)
    receive = core.If(
        truth(np.isin(tile.x, receivers)), [dsd("@fmovs", tile.memory(data), into)], []
    )
    send = core.If(truth(tile.x == sender), [dsd("@fmovs", out, tile.memory(data))], [receive])
    tile.function("main", [send])
    return tile, book


def messages(program: Elaborated, arch: str = "wse2") -> list[str]:
    return [problem.message for problem in check_program(program, MACHINES[arch])]


@pytest.mark.parametrize("arch", ["wse2", "wse3"])
def test_a_sound_program_has_no_problem(arch: str) -> None:
    tile, book = sound()
    assert messages(tile.elaborated(book, arch), arch) == []


def test_a_wait_without_a_sender() -> None:
    tile, book = sound(sender=9)
    assert messages(tile.elaborated(book)) == [
        "PE (1, 0) waits in main for color 5, which the PE where its route begins never sends"
    ]


def test_a_wait_without_a_route() -> None:
    tile, book = sound()
    book.routes[5].tx[1, 3] = 0
    book.routes[5].rx[1, 3] = 0
    book.routes[5].tx[1, 2] = RAMP
    assert messages(tile.elaborated(book)) == [
        "PE (3, 1) waits in main for color 5, which no route brings to its ramp"
    ]


def test_a_delivery_that_nobody_receives() -> None:
    tile, book = sound(receivers=(1, 3))
    problem = check_program(tile.elaborated(book), WSE2)[0]
    assert problem.message == "color 5 is delivered to PE (2, 0), which never receives it"
    assert problem.notes == ("2 PEs in columns 2 to 2, rows 0 to 1, the first is named",)


def test_a_sender_without_a_receiver() -> None:
    tile, book = sound(receivers=())
    assert messages(tile.elaborated(book)) == [
        "PE (0, 0) sends color 5 in main, but no PE on its route receives it",
        "color 5 is delivered to PE (1, 0), which never receives it",
    ]


def test_a_sender_without_a_route() -> None:
    tile, book = sound()
    book.routes[5].rx[0] = [0, RAMP, WEST, WEST]
    book.routes[5].tx[0, 0] = 0
    assert messages(tile.elaborated(book)) == [
        "PE (1, 0) waits in main for color 5, which the PE where its route begins never sends",
        "PE (0, 0) sends color 5 in main, but no route takes it from its ramp",
    ]


def test_a_route_that_leads_nowhere() -> None:
    tile, book = sound()
    book.routes[5].tx[0, 1] = RAMP | SOUTH
    assert "color 5 leaves PE (1, 0) to the south, where the next PE does not accept it" in (
        messages(tile.elaborated(book))
    )
    book.routes[5].tx[0, 1] = RAMP | NORTH
    found = messages(tile.elaborated(book))
    assert "color 5 leaves PE (1, 0) to the north, out of the rectangle" in found
    assert "color 5 is awaited from the west on PE (2, 0), which does not send it" in found


def test_half_a_route() -> None:
    tile, book = sound()
    book.add(6, 2, 1, WEST, 0)
    found = messages(tile.elaborated(book))
    assert "color 6 is half a route on PE (2, 1): it needs rx and tx" in found


def test_two_inputs_of_a_color() -> None:
    tile, book = sound()
    book.add(5, 2, 0, RAMP, 0)
    assert "color 5 comes from more than one side into PE (2, 0)" in (
        messages(tile.elaborated(book))
    )


def test_a_route_that_goes_back() -> None:
    tile, book = sound()
    book.routes[5].tx[0, 2] |= WEST
    assert "color 5 goes back to the west, where it comes from, on PE (2, 0)" in (
        messages(tile.elaborated(book))
    )


def test_a_circle() -> None:
    tile, book = sound()
    book.add(7, 1, 0, SOUTH, EAST)
    book.add(7, 2, 0, WEST, SOUTH)
    book.add(7, 2, 1, NORTH, WEST)
    book.add(7, 1, 1, EAST, NORTH)
    assert messages(tile.elaborated(book)) == ["color 7 runs in a circle through PE (1, 0)"]


def test_a_reserved_color() -> None:
    tile, book = sound()
    book.line(22, 0, 0, EAST, 1)
    found = messages(tile.elaborated(book))
    assert found[0] == "color 22 is configured, which host input and output use"


def test_code_twice_and_no_code() -> None:
    tile, book = sound()
    program = tile.elaborated(book)
    twice = replace_classes(program, [tile.pe_class(), tile.pe_class(np.array([5]))])
    assert messages(twice) == ["PE (1, 1) is given code 2 times"]
    missing = replace_classes(program, [tile.pe_class(np.array([0, 1, 2, 3, 4, 7]))])
    assert messages(missing) == ["PE (1, 1) has no code"]


def replace_classes(program: Elaborated, classes: list[core.PEClass]) -> Elaborated:
    return replace(program, classes=classes)


def test_code_outside_the_rectangle() -> None:
    tile, book = sound()
    program = replace(tile.elaborated(book), width=3)
    assert messages(program)[0] == (
        "pe.csl is placed on PE (3, 0), outside the rectangle of 3 x 2 PEs"
    )


def test_sram_overflow_has_a_table() -> None:
    tile, book = sound()
    tile.array("weights", 11_000)
    problem = check_program(tile.elaborated(book), WSE2)[0]
    assert problem.render() == (
        "error[check]: PE (0, 0) needs 50,176 bytes of SRAM and has 49,152\n"
        "  = note: 8 PEs run pe.csl\n"
        "  = note: 44,000 bytes  weights\n"
        "  = note:     32 bytes  data\n"
        "  = note:  6,144 bytes  code, stack and descriptors\n"
        "  = help: it is 1,024 bytes too much: use more PEs or f16"
    )


def test_objects_that_overlap() -> None:
    tile, book = sound()
    tile.array("more", 4)
    tile.objects[1].address = 12
    problem = check_program(tile.elaborated(book), WSE2)[0]
    assert problem.message == "data and more of pe.csl overlap in SRAM"
    assert problem.notes == ("data takes words 0 to 15, more begins at word 12",)


def test_a_queue_with_two_colors() -> None:
    tile, book = sound()
    for y in range(2):
        book.line(6, 0, y, EAST, 1)
    main = tile.functions[0]
    data = tile.objects[0]
    main.body.append(
        core.If(
            truth(tile.x == 0),
            [dsd("@fmovs", tile.fabout(6, 4, 8), tile.memory(data))],
            [
                core.If(
                    truth(tile.x == 1), [dsd("@fmovs", tile.memory(data), tile.fabin(6, 3, 8))], []
                )
            ],
        )
    )
    assert messages(tile.elaborated(book)) == [
        "PE (1, 0) binds input queue 3 to color 6 and to color 5"
    ]


def test_a_queue_that_the_machine_lacks() -> None:
    tile, book = sound()
    tile.input_queues[9] = 8
    assert messages(tile.elaborated(book)) == [
        "PE (0, 0) uses input queue 9, which wse2 does not have"
    ]


def test_all_problems_are_collected() -> None:
    tile, book = sound(receivers=(1, 3))
    tile.array("weights", 11_000)
    book.line(22, 0, 0, EAST, 1)
    assert len(check_program(tile.elaborated(book), WSE2)) >= 3


def test_dsds_are_followed_through_variables_and_calls() -> None:
    tile = Tile(2, 1)
    data = tile.array("data", 4)
    book = RouteBook(2, 1)
    book.line(4, 0, 0, EAST, 1)
    stream = core.Local("stream", core.Dsd("fabin"), 0)
    receive = core.Function(
        "receive",
        [stream],
        [stream],
        core.Void(),
        [dsd("@fmovs", tile.memory(data), core.GetLocal(stream))],
    )
    slot = core.Slot("into", core.Dsd("fabin"), tile.fabin(4, 2, 4))
    tile.slots.append(slot)
    tile.function(
        "main",
        [
            core.If(
                truth(tile.x == 0),
                [dsd("@fmovs", tile.fabout(4, 2, 4), tile.memory(data))],
                [core.Evaluate(core.Call(receive, (core.GetSlot(slot),)))],
            )
        ],
    )
    assert messages(tile.elaborated(book)) == []


def test_a_task_that_is_never_activated_is_not_reached() -> None:
    tile, book = sound(receivers=(1, 2))
    data = tile.objects[0]
    tile.task(9, "late", [dsd("@fmovs", tile.memory(data), tile.fabin(5, 3, 8))])
    assert messages(tile.elaborated(book)) == [
        "color 5 is delivered to PE (3, 0), which never receives it"
    ]
    tile.activated.add(9)
    assert "color 5 is delivered to PE (3, 0), which never receives it" not in (
        messages(tile.elaborated(book))
    )


def test_a_data_task_receives() -> None:
    tile, book = sound(receivers=(1, 2))
    tile.data_task(5, "take", lambda word: [])
    tile.input_queues[3] = 5
    assert messages(tile.elaborated(book)) == []
