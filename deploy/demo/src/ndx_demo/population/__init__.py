"""Synthetic Vietnamese people: the same seed makes the same people, however many."""
