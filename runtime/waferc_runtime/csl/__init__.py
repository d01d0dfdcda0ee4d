"""The CSL front end: text to core programs. Its face is `elaborate.elaborate`."""
