"""CSL programs of benchmarks, written out for the sizes that are asked for."""
