"""The pytest plugin that every ndx service's tests use."""
