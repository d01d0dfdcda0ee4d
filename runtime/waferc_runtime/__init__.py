"""The virtual wafer: reads CSL text, runs it on the PEs' own memories, and plays the host."""
