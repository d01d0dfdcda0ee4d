"""Published measurements of the machines, and CSL of our own that is measured against them."""
