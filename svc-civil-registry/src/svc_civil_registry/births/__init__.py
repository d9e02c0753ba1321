"""Births: declared, given a number by the population database, registered."""
