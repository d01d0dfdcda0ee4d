"""The host side: bundles on disk, tiles of whole arrays, sessions, and the vendor's host API."""
