"""Imports: persons loaded in bulk from a file."""
