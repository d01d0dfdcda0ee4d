"""Strategies of the IR room: programs that verify, for the laws of every room."""

from __future__ import annotations

from tests.ir.strategies_graph import graph_programs
from tests.ir.strategies_tiled import tiled_programs

__all__ = ["graph_programs", "tiled_programs"]
