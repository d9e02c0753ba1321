"""Synthetic population, demo agencies and the main walk."""
