"""e-ID accounts of citizens: opened at an office, locked and unlocked with a cause."""
