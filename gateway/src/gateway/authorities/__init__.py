"""The certificate authorities that the exchange trusts: its own generations, and outside ones."""
