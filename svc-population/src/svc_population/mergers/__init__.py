"""Mergers: two records of one person become one, one record of two persons becomes two, or both again."""
