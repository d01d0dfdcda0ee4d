"""Passes: rewrites of a unit, one file each."""
