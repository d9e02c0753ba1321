"""The civil status record: an immutable list of actions, from which state and flags follow."""
