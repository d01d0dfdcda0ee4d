"""What can be known about a program without changing it: lifetimes, bytes, padding, link load."""
