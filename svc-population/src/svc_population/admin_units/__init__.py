"""Administrative units: provinces and communes with their periods, and what became of the old ones."""
