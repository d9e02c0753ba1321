"""Deaths: registered and announced."""
