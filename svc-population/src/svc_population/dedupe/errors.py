"""Why a run is not begun."""


class DedupeRefused(Exception):
    """The run cannot begin; the words say what to do."""
