"""Reconciliation: what an agency's register and this one say differently, settled at the commune."""
