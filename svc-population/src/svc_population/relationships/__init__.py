"""Relationships between persons: parents, children, spouses."""
