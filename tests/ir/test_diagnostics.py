"""How errors are written."""

from __future__ import annotations

from waferc_ir.diagnostics import Location, WaferError, collect, counted


def test_headline_place_excerpt_notes_help() -> None:
    at = Location("model.py", 41, 5, 3, "y = cos(x)")
    error = WaferError("no", at, notes=["one", "two"], help="do it")
    assert error.render().splitlines() == [
        "error[error]: no",
        " --> model.py:41:5",
        "   |",
        "41 | y = cos(x)",
        "   |     ^^^",
        "  = note: one",
        "  = note: two",
        "  = help: do it",
    ]


def test_carets_stay_within_the_line() -> None:
    error = WaferError("no", Location("m", 1, 3, 99, "abcd"))
    assert error.render().splitlines()[-1] == "  |   ^^"


def test_carets_behind_the_line() -> None:
    error = WaferError("no", Location("m", 1, 9, 1, "abcd"))
    assert error.render().splitlines()[-1] == "  |         ^"


def test_a_long_line_is_cut_around_the_place() -> None:
    error = WaferError("no", Location("m", 1, 5001, 1, "a" * 5000 + "b" + "c" * 5000))
    _, _, _, line, carets = error.render().splitlines()
    assert len(line) < 180
    assert line[carets.index("^")] == "b"
    assert line.endswith("...")


def test_a_tab_takes_one_column() -> None:
    lines = WaferError("no", Location("m", 1, 2, 1, "\tb")).render().splitlines()
    assert lines[3].index("b") == lines[4].index("^")


def test_related_problems_follow() -> None:
    error = collect([WaferError("a"), WaferError("b"), WaferError("c")])
    assert error is not None
    assert error.render() == "error[error]: a\n\nerror[error]: b\n\nerror[error]: c"
    assert collect([]) is None


def test_numbers_with_their_nouns() -> None:
    assert [counted(n, "PE") for n in (0, 1, 2048)] == ["0 PEs", "1 PE", "2,048 PEs"]
