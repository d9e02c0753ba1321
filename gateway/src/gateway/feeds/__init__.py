"""Change feeds: agencies follow what happens to the people whom their agreements cover."""
