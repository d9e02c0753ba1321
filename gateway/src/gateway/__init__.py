"""Control plane of the data-sharing bus."""
