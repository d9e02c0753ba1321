"""Statistics: live counts of people by unit, sex and age, on any day since counting began."""
