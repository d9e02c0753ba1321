"""Whose register this is, and who of all operators is let in where only the owner's are."""

from ndx_chassis.caller import Operator

from svc_population.operators.errors import RoleMissing

OWNER = "G01"
"""Ministry of Public Security: the register is theirs, and so are the searches and the cases of its own."""


def require_owner(operator: Operator) -> None:
    """Refuse operators of other agencies.

    Raises:
        RoleMissing: the operator is not of the register's owner.
    """
    if operator.agency != OWNER:
        raise RoleMissing(f"An operator of {OWNER} must do it: the register is theirs.")
