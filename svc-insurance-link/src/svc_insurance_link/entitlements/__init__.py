"""Intervals in which a participant is covered: opened by a birth, ended by a death."""
