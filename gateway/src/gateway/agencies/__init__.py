"""Agencies on the bus, their systems, and the operators who run it."""
