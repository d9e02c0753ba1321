"""Who pays tax: the personal ID as tax code, legacy codes as other keys."""
