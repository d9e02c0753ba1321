"""The service catalogue: every operation on the bus, read from the committed OpenAPI documents."""
