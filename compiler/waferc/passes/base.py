"""What a pass is, and how `tile{k=64},place` becomes passes."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Union

from waferc.unit import Unit
from waferc_ir.diagnostics import Location, WaferError

Option = int | float | bool | str | None


class PassError(WaferError):
    """A pass is unknown, or one of its options is."""

    code = "pass"


@dataclass(frozen=True)
class Pass(ABC):
    """A rewrite of a unit. Subclasses are frozen dataclasses; their fields are their options.

    A pass leaves its input as it was, and calls no other pass. Options are of type int, float,
    bool or str, or one of these or None, and have defaults. The docstring is the pass's help.
    """

    name: ClassVar[str]

    @abstractmethod
    def run(self, unit: Unit) -> Unit:
        """The rewritten unit."""

    def describe(self) -> str:
        """The pass as one writes it: its name, and the options that differ from the defaults."""
        changed = [
            f"{field.name}={_written(vars(self)[field.name])}"
            for field in dataclasses.fields(self)
            if vars(self)[field.name] != field.default
        ]
        return f"{self.name}{{{','.join(changed)}}}" if changed else self.name


def parse_passes(text: str, known: Mapping[str, type[Pass]]) -> tuple[Pass, ...]:
    """The passes that a string such as `tile{k=64},place` names, in its order.

    Args:
        text: names separated by commas, each with options in braces if wanted.
        known: pass classes by name.

    Raises:
        PassError: an unknown pass or option, or a value that does not fit; all of them at once.
    """
    passes: list[Pass] = []
    problems: list[WaferError] = []
    for start, item in _split(text, offset=0, whole=text):
        try:
            passes.append(_parse_one(item, _place(text, start, item), known))
        except PassError as problem:
            problems.append(problem)
    if problems:
        problems[0].related = (*problems[0].related, *problems[1:])
        raise problems[0]
    return tuple(passes)


def option_types(pass_class: type[Pass]) -> dict[str, str]:
    """The options of a pass and their types as one writes them, in order."""
    hints = typing.get_type_hints(pass_class)
    return {
        field.name: " or ".join(_type_names(hints[field.name]))
        for field in dataclasses.fields(pass_class)
    }


def _split(text: str, offset: int, whole: str) -> Iterable[tuple[int, str]]:
    """Parts between commas that are outside braces, with their place in `whole`."""
    parts: list[tuple[int, str]] = []
    depth = 0
    start = 0
    for index, character in enumerate(f"{text},"):
        if character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
        if depth not in (0, 1):
            raise PassError("braces do not match", _place(whole, offset + index, character))
        if character == "," and (depth == 0 or index == len(text)):
            parts.append((offset + start, text[start:index]))
            start = index + 1
    if depth != 0:
        raise PassError("a brace is not closed", _place(whole, offset + len(text) - 1, "}"))
    return parts


def _parse_one(item: str, at: Location, known: Mapping[str, type[Pass]]) -> Pass:
    name, brace, rest = item.strip().partition("{")
    name = name.strip()
    if name not in known:
        message = f"no pass is called {name}" if name else "a pass has no name"
        raise PassError(message, at, help=_known(name, known))
    if brace and not rest.rstrip().endswith("}"):
        raise PassError(f"pass {name}: text after the closing brace", at)
    values: dict[str, Option] = {}
    options = option_types(known[name])
    body = rest.rstrip()[:-1] if brace else ""
    for assignment in body.split(",") if body.strip() else []:
        option, equals, value = (part.strip() for part in assignment.partition("="))
        if option not in options:
            help = _known(option, options) if options else f"{name} has no options"
            raise PassError(f"pass {name} has no option {option}", at, help=help)
        if not equals:
            raise PassError(f"pass {name}: option {option} has no value", at)
        if option in values:
            raise PassError(f"pass {name}: option {option} is given twice", at)
        values[option] = _convert(value, options[option], f"pass {name}: option {option}", at)
    return known[name](**values)


def _convert(text: str, wanted: str, what: str, at: Location) -> Option:
    for kind in wanted.split(" or "):
        match kind:
            case "bool" if text in ("true", "false"):
                return text == "true"
            case "none" if text == "none":
                return None
            case "int" | "float":
                try:
                    return int(text) if kind == "int" else float(text)
                except ValueError:
                    continue
            case "str":
                return text
            case _:
                continue
    written = wanted.replace("bool", "bool (true, false)")
    raise PassError(f"{what} is {written}, not {text or 'nothing'}", at)


def _written(value: Option) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)


def _type_names(hint: Any) -> list[str]:
    if typing.get_origin(hint) in (Union, types.UnionType):
        # str takes every text, so it comes last
        names = [name for part in typing.get_args(hint) for name in _type_names(part)]
        return sorted(names, key=lambda name: name == "str")
    if typing.get_origin(hint) is typing.Literal:
        return ["str"]
    return ["none" if hint is type(None) else hint.__name__]


def _place(text: str, start: int, part: str) -> Location:
    return Location("passes", 1, start + 1, max(1, len(part)), text)


def _known(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}" if close else f"known: {', '.join(names)}"
