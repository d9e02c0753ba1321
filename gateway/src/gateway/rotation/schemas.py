"""What goes in and out about a rotation."""

from datetime import datetime
from typing import Annotated

from ndx_contracts.bodies import Input, Output
from pydantic import StringConstraints

from gateway.authorities.schemas import AuthorityOut


class RotationIn(Input):
    reason: Annotated[str, StringConstraints(min_length=3, max_length=500)]


class RetirementIn(RotationIn):
    """With `cut_off`, systems that still depend on the authority are shut out."""

    cut_off: bool = False


class InternalRetirementIn(RotationIn):
    """With `cut_off`, at once: parts that have not read their new files fail until they do."""

    cut_off: bool = False


class InternalGeneration(Output):
    name: str
    not_after: datetime
    signs_from: datetime
    signs: bool


class InternalAuthorityOut(Output):
    """The CA by which the platform's own parts know each other."""

    generations: list[InternalGeneration]
    """All that are trusted, oldest first."""
    parts_waiting: list[str]
    """Parts whose certificate the newest has not signed yet."""
    former_may_go_from: datetime | None
    """When every part has had its new certificate long enough; None when there is one generation only."""


class AuthorityProgress(AuthorityOut):
    """An authority with who depends on it; an outside one issues elsewhere, so nothing is counted."""

    good_certificates: int
    systems_waiting: int
    """Systems and operators without a good certificate of the authority that issues now."""
    successors_unused: int
    """Those whose certificate of the issuing authority has not been seen in use yet."""


class AuthorityList(Output):
    items: list[AuthorityProgress]
