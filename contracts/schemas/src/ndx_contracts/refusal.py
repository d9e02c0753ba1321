"""What is said of a refused call: its code, cause, remedy, who can help, and its page."""

from dataclasses import dataclass
from enum import StrEnum


class Layer(StrEnum):
    """Who refuses: Envoy before any service is reached, or the providing service."""

    GATEWAY = "GATEWAY"
    SERVICE = "SERVICE"


class Helper(StrEnum):
    """Who can help the caller."""

    CALLER = "your own developers"
    OPERATOR = "the operator of the exchange"
    PROVIDER = "the providing agency, which approves agreements"
    CONSUMER = "your agency's own contact for agreements, with the providing agency"
    PERSON = "the person whose data it is"
    NOBODY = "nobody needs to: it ends by itself"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One code with its meaning, its remedy and who can help."""

    code: str
    status: int
    title: str
    title_vi: str
    detail: str
    """The cause, as it stands in the reply."""
    remedy: str
    helper: Helper
    layer: Layer = Layer.GATEWAY


def page(refusal: Refusal) -> str:
    """Return the documentation page of a code, in Markdown."""
    who = {
        Layer.GATEWAY: "The gateway refuses: no service was reached and nothing was done.",
        Layer.SERVICE: "The providing service refuses under the agreement: nothing was given or done.",
    }[refusal.layer]
    if refusal.code in {"provider-unavailable", "provider-timeout"}:
        who = "The gateway answers in the provider's place; the provider may have received the call."
    return (
        f"# `{refusal.code}` ({refusal.status})\n\n"
        f"**{refusal.title}** · {refusal.title_vi}\n\n"
        f"{who}\n\n"
        f"## Cause\n\n{refusal.detail}\n\n"
        f"## Remedy\n\n{refusal.remedy}\n\n"
        f"## Who can help\n\n{refusal.helper[0].upper()}{refusal.helper[1:]}. "
        "Give them the `trace_id` of the reply; it holds nothing about a person.\n"
    )
