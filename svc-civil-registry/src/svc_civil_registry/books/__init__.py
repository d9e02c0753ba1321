"""Register books and their numbers."""
