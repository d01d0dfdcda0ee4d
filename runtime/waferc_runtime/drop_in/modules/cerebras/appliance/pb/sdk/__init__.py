"""A package of the vendor's; only what host scripts import is here."""
