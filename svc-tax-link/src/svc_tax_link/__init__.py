"""Taxpayers and tax dependants."""
