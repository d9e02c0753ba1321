"""OSIA's notification interface over feeds. OSIA: Copyright © Secure Identity Alliance (2022)."""
