"""The vendor's commands and modules under their own names, for scripts written for them.

`modules` is a folder for the import path of such scripts, not a package.
"""
