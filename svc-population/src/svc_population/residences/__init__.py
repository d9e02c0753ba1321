"""Residences: permanent and temporary, the place where somebody lives, declared absence, stays."""
