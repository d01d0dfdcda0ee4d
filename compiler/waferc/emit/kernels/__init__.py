"""How a PE does each operation: one file per family, functions from operation to statements."""
