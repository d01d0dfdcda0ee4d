"""SdkLayout: programs put together in Python out of rectangles of PEs, ports and streams."""
