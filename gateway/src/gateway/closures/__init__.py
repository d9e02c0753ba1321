"""The end of an agency on the exchange: all that it holds ends with it, in one transaction."""
