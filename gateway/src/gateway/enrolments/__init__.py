"""Many agencies of one kind at once: registered, each with a system and its one-time code."""
