"""Provinces and communes in force, from the official code lists."""
