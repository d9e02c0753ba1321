"""Why a file could not be loaded."""


class ImportRefused(Exception):
    """The file does not have the layout, or a line cannot be read; the words hold no personal data."""
