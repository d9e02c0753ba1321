"""Changes of a person's field groups: who may make them, what must fit, and what they leave."""
