"""Match jobs: an agency's whole file of records is matched line by line, in the background."""
