"""What goes in and out about authorities and revocation lists."""

from datetime import datetime
from typing import Annotated

from ndx_contracts.bodies import Input, Output
from pydantic import Field, StringConstraints

from gateway.authorities.vocabulary import AuthorityState, Kind

AuthorityName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,39}$")]
AgencyPattern = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9.]{0,30}(\.\*)?$")]


class AnchorIn(Input):
    """An outside authority: the certificate that signs callers' certificates itself, and for whom it may."""

    name: AuthorityName
    pem: Annotated[str, StringConstraints(min_length=100, max_length=20_000)]
    may_certify: Annotated[list[AgencyPattern], Field(min_length=1, max_length=1000)]


class RevocationSourceIn(Input):
    """Where the list is fetched from now on; without a URL it is handed in again."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^/@\s]+/\S*$", max_length=500)] | None


class RevocationSourceOut(Output):
    url: str
    tried_at: datetime | None
    fetched_at: datetime | None
    error: str | None


class RevocationListIn(Input):
    pem: Annotated[str, StringConstraints(min_length=100, max_length=900_000)]


class RevocationListOut(Output):
    authority: str
    number: int
    entries: int
    this_update: datetime
    next_update: datetime
    ends_soon: bool


class RevocationListPage(Output):
    items: list[RevocationListOut]


class AuthorityOut(Output):
    name: str
    kind: Kind
    state: AuthorityState
    subject: str
    not_after: datetime
    may_certify: list[str]
    created_at: datetime
    retired_at: datetime | None
    revocation_list: RevocationListOut | None
    revocation_source: RevocationSourceOut | None = None
