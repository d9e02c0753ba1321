"""The embedded certificate authority of agency systems and operators."""
