"""Fields of an untrusted JSON document, read one by one; every complaint names the field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from waferc_ir.diagnostics import Location, WaferError


class BundleError(WaferError):
    """A bundle is damaged, incomplete, or not a bundle."""

    code = "bundle"


@dataclass(frozen=True, slots=True)
class Field:
    """A value of a document and the way to it, such as `inputs[0].region.width`."""

    value: object
    path: str
    file: str

    def error(self, message: str, *, help: str | None = None) -> BundleError:
        """An error about this field."""
        what = f"field {self.path}" if self.path else "the document"
        return BundleError(f"{what} {message}", Location(self.file, 1), help=help)

    def mapping(self, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Field]:
        """The fields of an object; those not in `required` or `optional` are an error."""
        if not isinstance(self.value, dict):
            raise self.error(f"is {_kind(self.value)}, not an object")
        content = cast("dict[str, object]", self.value)
        missing = [name for name in required if name not in content]
        if missing:
            raise self.error(f"has no {', '.join(missing)}")
        unknown = [name for name in content if name not in (*required, *optional)]
        if unknown:
            known = ", ".join((*required, *optional))
            raise self.error(f"has unknown fields {', '.join(unknown)}", help=f"known: {known}")
        return {name: self._child(f".{name}", value) for name, value in content.items()}

    def items(self, most: int) -> Iterator[Field]:
        """The items of an array of at most `most`."""
        if not isinstance(self.value, list):
            raise self.error(f"is {_kind(self.value)}, not an array")
        content = cast("list[object]", self.value)
        if len(content) > most:
            raise self.error(f"has {len(content):,} items; at most {most:,} are possible")
        return (self._child(f"[{index}]", item) for index, item in enumerate(content))

    def text(self, most: int = 1_000) -> str:
        """A string of at most `most` characters without control characters."""
        if not isinstance(self.value, str):
            raise self.error(f"is {_kind(self.value)}, not a string")
        if len(self.value) > most or not self.value.isprintable():
            raise self.error(f"is longer than {most:,} characters or not printable")
        return self.value

    def integer(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self.error(f"is {_kind(self.value)}, not an integer")
        if not low <= self.value <= high:
            raise self.error(f"is outside {low:,} to {high:,}")
        return self.value

    def one_of(self, choices: Sequence[str]) -> str:
        """A string out of `choices`."""
        value = self.text()
        if value not in choices:
            raise self.error(f"is {value!r}", help=f"known: {', '.join(choices)}")
        return value

    def _child(self, step: str, value: object) -> Field:
        return Field(value, (self.path + step).removeprefix("."), self.file)


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"
