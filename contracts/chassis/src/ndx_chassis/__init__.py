"""The runtime that every ndx service shares."""
