"""What goes in and out about a rotation."""

from typing import Annotated

from ndx_contracts.base import Input, Output
from pydantic import StringConstraints

from gateway.authorities.schemas import AuthorityOut


class RotationIn(Input):
    reason: Annotated[str, StringConstraints(min_length=3, max_length=500)]


class RetirementIn(RotationIn):
    """With `cut_off`, systems that still depend on the authority are shut out."""

    cut_off: bool = False


class AuthorityProgress(AuthorityOut):
    """An authority with who depends on it; an outside one issues elsewhere, so nothing is counted."""

    good_certificates: int
    systems_waiting: int
    """Systems and operators without a good certificate of the authority that issues now."""
    successors_unused: int
    """Those whose certificate of the issuing authority has not been seen in use yet."""


class AuthorityList(Output):
    items: list[AuthorityProgress]
