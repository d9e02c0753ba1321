"""The public keys with which agencies' systems sign calls and replies."""
