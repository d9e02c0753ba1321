"""Compiles what the control plane knows into Envoy's own filters, and serves it over delta ADS."""
