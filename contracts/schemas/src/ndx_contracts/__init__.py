"""What ndx services promise each other: events, problems, agreements, disclosure records."""
