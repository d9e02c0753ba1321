"""Cases for everybody who breaks a rule of quality, opened in bulk after four eyes looked at it."""
