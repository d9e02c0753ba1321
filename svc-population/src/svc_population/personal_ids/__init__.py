"""Personal numbers: their grammar, allocation, cancellation and re-establishment."""
