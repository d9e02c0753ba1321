"""The pytest plugin: real parts and doors for every service's tests."""
