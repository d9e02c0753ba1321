"""Runs that one operator asks for and a second one approves: the life that all kinds of them share."""
