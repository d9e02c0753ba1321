"""The operators' door: who comes in has a name that the control plane knows and that is active."""

from typing import Annotated

from fastapi import Depends
from ndx_chassis import caller
from ndx_chassis.db import SessionDep

from gateway.agencies import service as agencies


async def _active_operator(session: SessionDep, operator: caller.OperatorDep) -> caller.Operator:
    await agencies.require_operator(session, operator)
    return operator


OperatorDep = Annotated[caller.Operator, Depends(_active_operator)]
"""An active operator; which role an act needs is said where it is done."""
