"""Births, deaths and other civil status events."""
