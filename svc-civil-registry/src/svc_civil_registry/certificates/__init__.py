"""What a certificate says about a registered event."""
