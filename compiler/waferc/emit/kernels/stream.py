"""Streams between regions: the easternmost PEs send, the westernmost receive and pass on.

The sender's link is `to_<region>`. A PE of the receiving region takes a tile from the link
`arrival`, whose color depends on where the PE stands: the route from the sender, or `pass_x`,
`pass_y`, the colors on which tiles are passed on by multicast. A region that receives from
further regions has a link `from_<region>` for each of them.
"""

from __future__ import annotations

from waferc.emit.kernels.context import KernelContext, Tile, move
from waferc.emit.names import identifier
from waferc.emit.pe_program import If, Statement
from waferc.emit.views import View, nest
from waferc_ir.ops import stream


def send(op: stream.Transfer, tile: Tile, context: KernelContext) -> tuple[Statement, ...]:
    """What the region does that the tile comes from."""
    goes = context.fabric(f"to_{identifier(op.region)}", tile.elements, tile.element, sends=True)
    body = nest((tile.elements,), [goes, View("x", tile.array, (1,))], move)
    condition = "x_last" if is_split(tile) else "x_last and y_first"
    return (If(((condition, body),)),) if body else ()


def receive(tile: Tile, source_region: str, context: KernelContext) -> tuple[Statement, ...]:
    """What the region does that the tile goes to: take it, then pass it on."""
    count, element = tile.elements, tile.element
    region, arrivals = context.region, context.arrivals
    whole = View("out", tile.array, (1,))
    if count == 0:
        return ()

    def take(link: str) -> tuple[Statement, ...]:
        return nest((count,), [whole, context.fabric(link, count, element, sends=False)], move)

    def give(link: str) -> tuple[Statement, ...]:
        return nest((count,), [context.fabric(link, count, element, sends=True), whole], move)

    descends = not is_split(tile) and region.height > 1
    receivers = "x_first and y_first" if descends else "x_first"
    branches: list[tuple[str, tuple[Statement, ...]]] = []
    if source_region != arrivals.primary:
        branches.append((receivers, take(f"from_{identifier(source_region)}")))
    if descends and not arrivals.shares_pass_y:
        branches.append(("x_first and !y_first", take("pass_y")))
    taken: tuple[Statement, ...] = take("arrival")
    if branches:
        taken = (If(tuple(branches), taken),)
    passed: list[Statement] = []
    if descends:
        passed.append(If((("x_first and y_first", give("pass_y")),)))
    if region.width > 1:
        passed.append(If((("x_first", give("pass_x")),)))
    return (*taken, *passed)


def is_split(tile: Tile) -> bool:
    """Whether every row of the region sends its own tile."""
    return tile.type.layout.split_of("y") is not None
