"""Children under 14 attached to a parent's e-ID account."""
