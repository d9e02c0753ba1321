"""Families: parents, marriages and guardianships, recorded and ended with their days."""
