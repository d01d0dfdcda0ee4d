"""The vector engine: many PEs per NumPy call, time carried with the data."""
