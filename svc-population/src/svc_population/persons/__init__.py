"""Persons: the 26 field groups of article 9, their versions, and how they are read."""
