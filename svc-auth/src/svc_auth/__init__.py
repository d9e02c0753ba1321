"""OpenID provider for account holders."""
