"""Looks for one person in two records, by a probabilistic model, and opens cases for people to decide."""
