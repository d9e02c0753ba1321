"""Rules of law of electronic identification, as data with effective dates."""
