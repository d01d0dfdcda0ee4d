"""CSL text to syntax tree. No recursion depends on the text, so that depth cannot crash it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import cast

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

from waferc_ir.diagnostics import Location
from waferc_runtime.csl.build import Builder
from waferc_runtime.csl.diagnostics import CslError
from waferc_runtime.csl.syntax import File

MAX_CHARACTERS = 20_000_000
MAX_EXPECTED = 5  # terminals worth listing in an error

_WORDS = {
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": "a string",
    "CHAR": "a character",
    "BUILTIN": "a builtin",
    "MUT": "const or var",
    "EQ": "=",
    "TRUTH": "true or false",
    "OPASSIGN": "an assignment",
    "CMP": "a comparison",
    "SHIFT": "a shift",
    "DIVMOD": "/ or %",
    "OR": "or",
    "AND": "and",
    "FNKIND": "fn or task",
    "NO_BODY": ";",
}


@cache
def _grammar() -> str:
    return files("waferc_runtime.csl").joinpath("grammar.lark").read_text(encoding="utf-8")


@cache
def _parser() -> Lark:
    return Lark(
        _grammar(),
        parser="lalr",
        lexer="contextual",
        propagate_positions=True,
        maybe_placeholders=False,
    )


def parse(text: str, file: str) -> File:
    """The declarations of one CSL file; `file` is its name in error messages.

    Raises:
        CslError: the text is not CSL, or nested too deeply.
    """
    if len(text) > MAX_CHARACTERS:
        raise CslError(f"{file} has {len(text):,} characters, more than {MAX_CHARACTERS:,}")
    lines = text.split("\n")
    try:
        tree = _parser().parse(text)
        return Builder(file, lines).build(tree)
    except UnexpectedInput as error:
        raise _syntax_error(error, file, lines) from None
    except VisitError as error:
        if isinstance(error.orig_exc, CslError):
            raise error.orig_exc from None
        raise


def _syntax_error(error: UnexpectedInput, file: str, lines: list[str]) -> CslError:
    match error:
        case UnexpectedToken() if cast(Token, error.token).type == "$END":
            last = max((n for n, line in enumerate(lines, 1) if line.strip()), default=1)
            text = lines[last - 1]
            at = Location(file, last, len(text.rstrip()) + 1, 1, text)
            return CslError(
                "the file ends in the middle of a declaration", at, help=_expected(error)
            )
        case UnexpectedToken():
            token = cast(Token, error.token)
            line, column = token.line or 1, token.column or 1
            at = Location(file, line, column, max(1, len(token)), lines[line - 1])
            return CslError(f"unexpected {str(token)!r}", at, help=_expected(error))
        case UnexpectedCharacters():
            at = Location(file, error.line, error.column, 1, lines[error.line - 1])
            return CslError(f"unexpected character {error.char!r}", at)
        case _:
            return CslError("this is not CSL", Location(file, 1, 1, 1, lines[0]))


def _expected(error: UnexpectedToken) -> str | None:
    names = sorted(error.accepts or error.expected)
    if not 0 < len(names) <= MAX_EXPECTED:
        return None
    patterns = {t.name: str(t.pattern.value) for t in _parser().terminals}
    words = [_WORDS.get(name) or patterns.get(name, name) for name in names]
    return f"expected {' or '.join(words)}"
