"""Matching: find a person by name, birth date and place; say whether a record of an agency is theirs."""
