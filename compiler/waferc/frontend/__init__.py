"""From PyTorch to the graph IR."""
