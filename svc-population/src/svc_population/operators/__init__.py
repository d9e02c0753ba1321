"""Operators of the agency whose register this is, and what is theirs alone."""
