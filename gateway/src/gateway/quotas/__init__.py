"""Quotas by day and month: how much of each is used, and how much Envoy may still let through."""
