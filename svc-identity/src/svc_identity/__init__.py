"""Identity cards and e-ID accounts."""
