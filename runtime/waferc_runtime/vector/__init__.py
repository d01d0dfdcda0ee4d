"""The vector engine: many PEs per NumPy call, time carried with the data."""

from waferc_runtime.vector.engine import VectorEngine

__all__ = ["VectorEngine"]
