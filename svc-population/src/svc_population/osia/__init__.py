"""Facades of OSIA 7.1 over the service's use cases. OSIA: Copyright © Secure Identity Alliance (2022)."""
