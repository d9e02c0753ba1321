"""Citizen accounts: which e-ID account belongs to which person, as the identity service announces it."""
