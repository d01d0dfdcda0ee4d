"""Identifiers that CSL allows: labels and buffer names made into names, each used once."""

from __future__ import annotations

import re

KEYWORDS = frozenset((
    "align", "and", "anytype", "asm", "bf16", "bool", "break", "cb16", "color", "comptime",
    "comptime_float", "comptime_int", "comptime_string", "comptime_struct", "const", "continue",
    "control_task_id", "data_task_id", "direction", "else", "enum", "export", "extern", "f16",
    "f32", "false", "fn", "for", "i16", "i32", "i64", "i8", "if", "imported_module", "inline",
    "input_queue", "layout", "linkname", "linksection", "local_task_id", "noinline", "or",
    "output_queue", "packed", "param", "return", "struct", "switch", "task", "true", "type",
    "u16", "u32", "u64", "u8", "union", "ut_id", "var", "void", "while", "NORTH", "SOUTH",
    "EAST", "WEST", "RAMP", "mem1d_dsd", "mem4d_dsd", "fabin_dsd", "fabout_dsd",
))  # fmt: skip
# Names that PE files and layouts declare themselves, and those of local scalars in kernels.
OWN = frozenset((
    "main", "memcpy", "memcpy_params", "sys_mod", "math", "px", "py", "pe_x", "pe_y", "x_first",
    "x_last", "y_first", "y_last", "first", "valid", "start", "row", "keep", "value",
))  # fmt: skip
# Names inside functions, and names of links and scalar functions, which globals must not take.
_LOCAL = re.compile(
    r"[a-zA-Z]|[dgkm]\d+|\w*_dsd|\w*_at_\w+|op\d+_\w*|\w+_(in|out|color|ptr|f32|f16|i32|i16)"
    r"|\w+_is_nonzero|(from|to|pass|x|y)_\w+|arrival"
)


def identifier(label: str) -> str:
    """`label` with everything that CSL does not allow in a name replaced by underscores."""
    text = re.sub(r"\W", "_", label, flags=re.ASCII).strip("_") or "unnamed"
    return f"t{text}" if text[0].isdigit() else text


class Names:
    """Gives out names, none twice; `suffix` is added to those that are taken or reserved."""

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix
        self._taken: set[str] = {*KEYWORDS, *OWN}

    def take(self, label: str, *, is_global: bool = True) -> str:
        """A name like `label` that is free; a global one also differs from all local names."""
        base = identifier(label)
        if base in self._taken or (is_global and _LOCAL.fullmatch(base)):
            base = f"{base}_{self._suffix}"
        name, number = base, 2
        while name in self._taken:
            name, number = f"{base}_{number}", number + 1
        self._taken.add(name)
        return name
