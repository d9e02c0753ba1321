"""Synthetic Vietnamese people: the same seed makes the same people, a thousand or a hundred million of them."""
