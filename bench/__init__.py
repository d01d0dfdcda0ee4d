"""Benchmarks of the virtual wafer: how fast it is, and how much memory it takes."""
