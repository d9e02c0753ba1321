"""Health insurance participants, entitlements and card checks."""
