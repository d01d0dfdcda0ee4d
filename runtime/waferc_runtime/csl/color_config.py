"""Color configurations: routes, switches, filters, teardown and swap, as programs write them.

Both forms are read: structs of directions, and the integers of SDK 2.x (ten bits: rx from west,
east, south, north, ramp, then tx to the same). Numbers may differ between PEs.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from waferc_ir.diagnostics import Location
from waferc_runtime.csl import core, syntax
from waferc_runtime.csl.arithmetic import first_offender, pick
from waferc_runtime.csl.core import FilterKind, Handle, PopMode, Scalar
from waferc_runtime.csl.diagnostics import CslError, suggestion
from waferc_runtime.csl.evaluator import Evaluator
from waferc_runtime.csl.placement import ColorConfig, FilterConfig, SwitchConfig
from waferc_runtime.csl.types import Meta, is_integer
from waferc_runtime.csl.values import ArrayValue, Known, Number, StructValue, Value, Void

# order of the direction bits in the integer form
_BIT_ORDER = (core.WEST, core.EAST, core.SOUTH, core.NORTH, core.RAMP)
_CONFIG = ("routes", "switches", "filter", "teardown")
_POSITIONS = ("pos1", "pos2", "pos3")
_SWITCHES = (*_POSITIONS, "ring_mode", "current_switch_pos", "pop_mode")
_SWAPS = {"color_swap_x": core.SWAP_X, "color_swap_y": core.SWAP_Y}
_ROUTES = ("rx", "tx", *_SWAPS)
_COUNTS = ("count_data", "count_control", "filter_control")
_LIMITS = ("init_counter", "limit1", "max_counter", "fast_mode")
_FILTERS: dict[str, tuple[FilterKind, tuple[str, ...]]] = {
    "counter": (FilterKind.COUNTER, (*_COUNTS, *_LIMITS)),
    "sparse_counter": (FilterKind.SPARSE_COUNTER, (*_COUNTS, *_LIMITS, "limit2")),
    "range": (FilterKind.RANGE, ("min_idx", "max_idx")),
}
# colors with switches on wse3: documentation of the SDK, color configurations
WSE3_SWITCHABLE = frozenset({*range(10), 12, 13, 16, 17, 20, 21})


def color_config(ev: Evaluator, node: syntax.Expr) -> ColorConfig:
    """The configuration that the last argument of a color config builtin describes.

    Raises:
        CslError: a field is unknown, of a wrong type, or not for this architecture.
    """
    at = node.at
    fields = _struct(ev, ev.known(node), "a color configuration", at).fields
    _only(fields, _CONFIG, "a color configuration", at)
    switch_fields = dict(_fields(ev, fields.get("switches"), "switches", at))
    routes = fields.get("routes", StructValue({}))
    swap: Number = 0
    if isinstance(routes, Known):
        rx, tx = _from_bits(ev, routes, "routes", at)
    else:
        given = _struct(ev, routes, "routes", at).fields
        _only(given, (*_ROUTES, *_SWITCHES), "routes", at)
        # before SDK 1.0, switches stood among the routes
        switch_fields = {n: v for n, v in given.items() if n in _SWITCHES} | switch_fields
        rx, tx = (_side(ev, given.get(side), at) for side in ("rx", "tx"))
        for name, bit in _SWAPS.items():
            swap = _or(swap, _times(_truth(ev, given.get(name), name, at), bit))
    _single_input(ev, rx, at)
    if ev.context.arch == "wse3" and np.any(swap):
        raise CslError("colors are swapped on wse2 only", at)
    _only(switch_fields, _SWITCHES, "switches", at)
    return ColorConfig(
        rx,
        tx,
        at,
        swap,
        _switches(ev, switch_fields, at) if switch_fields else None,
        _filter(ev, fields["filter"], at) if "filter" in fields else None,
        _truth(ev, fields.get("teardown"), "teardown", at),
    )


def check_switchable(arch: str, color: int, config: ColorConfig) -> None:
    """Refuse switch positions of a color that has none.

    Raises:
        CslError: wse3 has switches for some colors only.
    """
    has_positions = config.switches is not None and bool(np.any(config.switches.valid))
    if arch == "wse3" and has_positions and color not in WSE3_SWITCHABLE:
        raise CslError(
            f"color {color} has no switch positions on wse3",
            config.at,
            help=f"those that have: {', '.join(map(str, sorted(WSE3_SWITCHABLE)))}",
        )


# ---- switches


def _switches(ev: Evaluator, fields: dict[str, Value], at: Location) -> SwitchConfig:
    rx: list[Number] = []
    tx: list[Number] = []
    valid: Number = 0
    for place, name in enumerate(_POSITIONS, 1):
        position = _position(ev, fields.get(name), name, at)
        rx.append(position[0])
        tx.append(position[1])
        valid = _or(valid, _times(position[2], 1 << place))
    start = fields.get("current_switch_pos")
    mode = _choice(ev, fields.get("pop_mode"), [m.name.lower() for m in PopMode], "pop_mode", at)
    return SwitchConfig(
        rx=(rx[0], rx[1], rx[2]),
        tx=(tx[0], tx[1], tx[2]),
        valid=valid,
        position=0 if start is None else _number(ev, start, "current_switch_pos", (0, 3), at),
        ring=_truth(ev, fields.get("ring_mode"), "ring_mode", at),
        pop=PopMode.NO_POP if mode is None else PopMode[mode.upper()],
    )


def _position(
    ev: Evaluator, value: Value | None, name: str, at: Location
) -> tuple[Number, Number, Number]:
    """Masks of rx and tx at a position, and whether it exists."""
    if value is None or isinstance(value, Void):
        return 0, 0, False
    if isinstance(value, Known):
        rx, tx = _from_bits(ev, value, name, at)
        exists = np.asarray(_or(rx, tx)) != 0
    else:
        fields = _struct(ev, value, name, at).fields
        _only(fields, ("rx", "tx", "invalid"), name, at)
        rx, tx = (_side(ev, fields.get(side), at) for side in ("rx", "tx"))
        is_off = _truth(ev, fields.get("invalid"), "invalid", at)
        exists = np.logical_not(is_off) & (np.asarray(_or(rx, tx)) != 0)
    both = (np.asarray(rx) != 0) & (np.asarray(tx) != 0)
    if ev.context.arch == "wse2" and _first(ev, both) is not None:
        raise CslError(f".{name} gives rx or tx on wse2, not both", at)
    _single_input(ev, rx, at)
    return rx, tx, exists if exists.ndim else bool(exists)


# ---- filters


def _filter(ev: Evaluator, value: Value, at: Location) -> FilterConfig | None:
    if isinstance(value, Void):
        return None
    fields = _struct(ev, value, "a filter", at).fields
    name = _choice(ev, fields.get("kind"), list(_FILTERS), "kind", at)
    if name is None:
        raise CslError("the filter has no .kind", at, help=f"kinds: {', '.join(_FILTERS)}")
    kind, known = _FILTERS[name]
    _only(fields, ("kind", *known), f"a {name} filter", at)
    needed = {"min_idx", "max_idx"} if kind is FilterKind.RANGE else {"limit1", "max_counter"}
    for missing in sorted(needed - set(fields)):
        raise CslError(f"the {name} filter needs .{missing}", at)

    def number(field: str, default: int) -> Number:
        given = fields.get(field)
        return default if given is None else _number(ev, given, field, (0, 0xFFFF), at)

    return FilterConfig(
        kind=kind,
        count_data=_truth(ev, fields.get("count_data"), "count_data", at),
        count_control=_truth(ev, fields.get("count_control"), "count_control", at),
        filter_control=_truth(ev, fields.get("filter_control"), "filter_control", at),
        init_counter=number("init_counter", 0),
        limit1=number("limit1", 0),
        limit2=number("limit2", -1),
        max_counter=number("max_counter", 0),
        min_idx=number("min_idx", 0),
        max_idx=number("max_idx", 0),
    )


# ---- fields


def _struct(ev: Evaluator, value: Value, what: str, at: Location) -> StructValue:
    if not isinstance(value, StructValue):
        raise CslError(f"{what}: a struct is expected, not {ev.name_of(value)}", at)
    return value


def _fields(ev: Evaluator, value: Value | None, what: str, at: Location) -> dict[str, Value]:
    if value is None or isinstance(value, Void):
        return {}
    return _struct(ev, value, what, at).fields


def _only(fields: dict[str, Value], known: tuple[str, ...], what: str, at: Location) -> None:
    for name in fields:
        if name not in known:
            help = suggestion(name, known) or f"fields: {', '.join(known)}"
            raise CslError(f"{what} has no field {name!r}", at, help=help)


def _choice(
    ev: Evaluator, value: Value | None, names: list[str], what: str, at: Location
) -> str | None:
    """The one field of a struct of flags that is set, or None."""
    fields = _fields(ev, value, f".{what}", at)
    _only(fields, tuple(names), f".{what}", at)
    chosen = [n for n, v in fields.items() if ev.uniform(ev.truth(v, at))]
    if len(chosen) > 1:
        raise CslError(f".{what} is {' and '.join(chosen)} at once", at)
    return chosen[0] if chosen else None


def _truth(ev: Evaluator, value: Value | None, name: str, at: Location) -> Number:
    if value is None or isinstance(value, Void):
        return False
    if not isinstance(value, Known) or value.type is not Scalar.BOOL:
        raise CslError(f".{name} is a bool, not {ev.name_of(value)}", at)
    return value.data


def _number(
    ev: Evaluator, value: Value, name: str, bounds: tuple[int, int], at: Location
) -> Number:
    own = value.type if isinstance(value, Known) else None
    if not isinstance(value, Known) or not (own is Meta.COMPTIME_INT or is_integer(value.type)):
        raise CslError(f".{name} is an integer, not {ev.name_of(value)}", at)
    low, high = bounds
    data = np.asarray(value.data)
    pe = _first(ev, (data < low) | (data > high))
    if pe is not None:
        raise CslError(f".{name} is {pick(value.data, pe)}", at, help=f"it is {low} to {high}")
    return value.data


def _side(ev: Evaluator, value: Value | None, at: Location) -> Number:
    """The mask of one direction, or of several in a tuple or an array."""
    match value:
        case None | Void():
            return 0
        case StructValue() if value.is_tuple:
            items = list(value.fields.values())
        case ArrayValue():
            items = [value.item(n) for n in range(value.type.count)]
        case _:
            items = [value]
    mask: Number = 0
    for item in items:
        if not isinstance(item, Known) or item.type is not Handle.DIRECTION:
            raise CslError(f"a direction is expected, not {ev.name_of(item)}", at)
        mask = _or(mask, item.data)
    return mask


def _from_bits(ev: Evaluator, value: Known, name: str, at: Location) -> tuple[Number, Number]:
    bits: Any = _number(ev, value, name, (0, (1 << 10) - 1), at)
    rx = sum(((bits >> n) & 1) * mask for n, mask in enumerate(_BIT_ORDER))
    tx = sum(((bits >> (n + 5)) & 1) * mask for n, mask in enumerate(_BIT_ORDER))
    return rx, tx


def _single_input(ev: Evaluator, rx: Number, at: Location) -> None:
    mask = np.asarray(rx)
    if ev.context.arch == "wse3" and _first(ev, (mask & (mask - 1)) != 0) is not None:
        raise CslError("a color is received from one direction only on wse3", at)


def _first(ev: Evaluator, bad: Any) -> int | None:
    lanes = np.asarray(bad)
    return first_offender(lanes if lanes.ndim else bool(lanes), ev.active)


def _or(a: Number, b: Number) -> Number:
    return cast(Any, a) | cast(Any, b)


def _times(flag: Number, bit: int) -> Number:
    return flag.astype(np.int64) * bit if isinstance(flag, np.ndarray) else int(flag) * bit
