"""Rotating the agency CA without breaking anyone, and keeping revocation lists and files from running out."""
