"""OpenID Connect: authorization code with PKCE, ES256 tokens, discovery."""
