"""All operations, by family. Importing this package fills the table `OPS`."""

from waferc_ir.ops import (
    collective,
    graph_compute,
    graph_move,
    graph_structure,
    stream,
    tile_compute,
    tile_move,
    tile_structure,
)
from waferc_ir.ops.declare import OPS, Op, VerifyError

__all__ = [
    "OPS",
    "Op",
    "VerifyError",
    "collective",
    "graph_compute",
    "graph_move",
    "graph_structure",
    "stream",
    "tile_compute",
    "tile_move",
    "tile_structure",
]
