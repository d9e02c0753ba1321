"""Means of authentication: passcode and one-time password of an account, and the limits on trying."""
