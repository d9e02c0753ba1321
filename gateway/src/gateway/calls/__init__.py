"""Calls as operators and agencies look at them: who called what, how long it took, who refused and why."""
