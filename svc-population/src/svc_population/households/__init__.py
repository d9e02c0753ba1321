"""Households: their head and members, joining, leaving, splitting, another head."""
