"""Collectives on a line of PEs as CSL text: a PE's place in it, and the colors of its links.

A link `x_chain` comes from the neighbour away from the root, `x_tree` from the next leader away
from it, `x_all` from the root; `x_send` goes to the neighbour, the leader or all, as the PE's role
is. The root takes in its far side (the PEs behind it) by the queue of `x_all`. Likewise for y.

Colors alternate along each side, as a PE cannot receive and send on one color, and the other way
round behind the root, which would else receive two streams on one color.
"""

from __future__ import annotations

from collections.abc import Iterator

from waferc.emit.pe_program import Constant
from waferc_ir.types import Axis, Line

LINK_ROLES = ("chain", "tree", "all", "send")


def line_colors(axis: Axis, line: Line) -> tuple[str, ...]:
    """Names of the color parameters of a line, in the order of `Region.axis_colors`."""
    roles = (
        ("even", "odd", "tree_even", "tree_odd", "all") if line.group else ("even", "odd", "all")
    )
    return tuple(f"{axis}_{role}" for role in roles)


def line_constants(axis: Axis, line: Line) -> Iterator[Constant]:
    """What a PE knows of its place in the line.

    `x_far` is its distance from the root, `x_side` 1 behind the root and else 0, `x_beyond` how
    many PEs lie farther out, and of those `x_chain_pes` come by the chain, `x_tree_pes` by leaders.
    """
    place, root, last = f"p{axis}", line.root, line.pes - 1
    yield Constant(f"{axis}_root", "bool", f"{place} == {root}")
    if root == last:
        far, beyond = f"{root} - {place}", place
        yield Constant(f"{axis}_side", "u16", "0")
    else:
        far = f"if ({place} > {root}) {place} - {root} else {root} - {place}"
        beyond = f"if ({place} > {root}) {last} - {place} else {place}"
        yield Constant(f"{axis}_side", "u16", f"if ({place} > {root}) 1 else 0")
    yield Constant(f"{axis}_far", "u16", far)
    yield Constant(f"{axis}_beyond", "u16", beyond)
    if not line.group:
        yield Constant(f"{axis}_chain_pes", "u16", f"if ({axis}_root) 0 else {axis}_beyond")
        return
    group = line.group
    # a leader's place in its group is 0, the root counts as the last of a group of its own
    yield Constant(f"{axis}_place", "u16", f"({axis}_far + {group - 1}) % {group}")
    yield Constant(f"{axis}_leads", "bool", f"{axis}_place == 0")
    behind = f"{group - 1} - {axis}_place"
    yield Constant(
        f"{axis}_chain_pes", "u16", f"if ({axis}_beyond < {behind}) {axis}_beyond else {behind}"
    )
    rest = f"{axis}_beyond - {axis}_chain_pes"
    yield Constant(f"{axis}_tree_pes", "u16", f"if ({axis}_leads) {rest} else 0")


def link_color(axis: Axis, line: Line, role: str) -> str:
    """The color of a link as CSL text, as the PE's place demands."""
    everyone, place = f"{axis}_all", f"({axis}_far + {axis}_side)"
    from_neighbour = _alternating(axis, f"({place} + 1)")
    if line.group:
        # the number of the PE's group on its side
        number = f"(({axis}_far + {line.group - 1}) / {line.group} + {axis}_side)"
        from_leader = _alternating(f"{axis}_tree", f"({number} + 1)")
        # behind the root leader 1 sends on the other color than before it
        from_far_side = f"{axis}_tree_even"
        to_next = (
            f"if ({axis}_leads) ({_alternating(f'{axis}_tree', number)})"
            f" else ({_alternating(axis, place)})"
        )
    else:
        from_leader, from_far_side, to_next = "", f"{axis}_even", _alternating(axis, place)
    match role:
        case "chain":
            return from_neighbour
        case "tree":
            return from_leader
        case "all":
            if line.root == line.pes - 1:
                return everyone
            return f"if ({axis}_root) {from_far_side} else {everyone}"
        case _:
            return f"if ({axis}_root) {everyone} else ({to_next})"


def _alternating(name: str, number: str) -> str:
    return f"if ({number} % 2 == 0) {name}_even else {name}_odd"
