"""The meaning of programs in NumPy: the oracle for passes and engines."""
