"""Python client and command line for agencies and operators."""
