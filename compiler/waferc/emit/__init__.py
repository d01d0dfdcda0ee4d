"""Emission: a placed, routed and allocated program becomes CSL, manifest and host script."""
