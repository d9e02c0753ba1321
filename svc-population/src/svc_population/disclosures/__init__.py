"""Disclosures: a citizen sees who read their data, here and at the other services."""
