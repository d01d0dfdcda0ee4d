"""A compiler from PyTorch models to wafer-scale kernels, and a virtual wafer that runs them."""
