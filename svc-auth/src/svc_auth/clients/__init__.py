"""Relying parties that may ask account holders to log in."""
