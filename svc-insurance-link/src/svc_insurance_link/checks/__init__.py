"""The clinic's question at the counter, answered with the national result codes."""
