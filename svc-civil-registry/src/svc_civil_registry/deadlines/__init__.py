"""Legal time limits as data with effective dates."""
