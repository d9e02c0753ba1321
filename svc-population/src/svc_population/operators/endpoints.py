"""What an endpoint declares that is open to operators of the register's owner alone."""

from typing import Annotated

from fastapi import Depends
from ndx_chassis.caller import Operator, OperatorDep

from svc_population.operators.owner import require_owner


async def _owner(operator: OperatorDep) -> Operator:
    require_owner(operator)
    return operator


OwnerDep = Annotated[Operator, Depends(_owner)]
"""An operator of the agency whose register this is."""
