"""Arithmetic and costs of CSL, written once and used by every engine."""
