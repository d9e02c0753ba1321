"""What goes in and out when an agency is closed."""

from ndx_contracts.bodies import Output

from gateway.agencies.schemas import AgencyOut, ReasonIn


class ClosureIn(ReasonIn):
    """With `cut_off`, agreements on which others get the agency's data end as well."""

    cut_off: bool = False


class ClosureOut(Output):
    """The closed agency, and what ended with it."""

    agency: AgencyOut
    agreements: list[str]
    """Those under which it asked others."""
    provided_agreements: list[str]
    """Those under which others asked it."""
    certificates: list[str]
    """Serial numbers of what was revoked."""
    signing_keys: list[str]
    feed_subscriptions: list[str]
