"""The main walk: one birth from the commune's counter to the mother's list of who read her child's data."""

from ndx_demo.walk.birth import birth_of
from ndx_demo.walk.main import run
from ndx_demo.walk.steps import Context, Step, WalkResult

__all__ = ["Context", "Step", "WalkResult", "birth_of", "run"]
