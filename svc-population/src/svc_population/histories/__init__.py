"""Histories: what the record of a person said, on any day, as far as it was known at any moment."""
