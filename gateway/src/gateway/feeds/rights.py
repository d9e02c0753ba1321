"""What a subscription may be given at this moment: asked of agency and agreement at every hand-over."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from ndx_chassis.agreements import AgreementBook, Grant, NoAgreement
from ndx_chassis.caller import Caller
from ndx_chassis.errors import DomainError
from ndx_contracts.agreements import Agreement
from ndx_contracts.feeds import BY_TYPE, FedEvent, People
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as agencies
from gateway.agencies.vocabulary import AgencyState
from gateway.agreements import reading as agreements
from gateway.feeds.errors import AgencyIsSuspended, FeedNotCovered
from gateway.feeds.models import FeedSubscription


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who takes the events: which system, for whom, in which request."""

    system: str
    request_id: str
    officer: str | None
    case_id: str | None


@dataclass(frozen=True, slots=True)
class Right:
    """One event type under the agreement: the caller of the disclosure record, and the grant."""

    caller: Caller
    grant: Grant


@dataclass(slots=True)
class Rights:
    """All that one subscription may be given now."""

    subscription: FeedSubscription
    agreement: Agreement | None
    agency_state: str
    agency_class: str
    receiver: Receiver
    _found: dict[str, Right | None] = field(default_factory=dict)

    def of(self, fed: FedEvent) -> Right | None:
        """Return the right to an event type, or None when the agreement does not hold it.

        Raises:
            AgencyIsSuspended, AgreementSuspended, AgreementExpired, PurposeNotCovered, OfficerMissing,
            CaseMissing and whatever else holds the agreement's calls back at this moment.
        """
        if fed.type not in self._found:
            try:
                self._found[fed.type] = self._ask(fed)
            except NoAgreement:
                self._found[fed.type] = None
        return self._found[fed.type]

    def _ask(self, fed: FedEvent) -> Right:
        if self.agency_state != AgencyState.ACTIVE.value:
            raise AgencyIsSuspended
        if self.agreement is None:
            raise NoAgreement
        if self.agreement.conditions.consent_required:
            raise FeedNotCovered("The agreement asks for each person's consent, and a feed has none to show.")
        mine = self.subscription
        caller = Caller(
            agency=mine.agency,
            system=self.receiver.system,
            agreement=mine.agreement_id,
            purpose=mine.purpose,
            case_id=self.receiver.case_id or mine.case_id,
            officer=self.receiver.officer or mine.officer,
            request_id=self.receiver.request_id,
            operation=fed.operation(People(mine.people)),
            agency_class=self.agency_class,
        )
        book = AgreementBook()
        book.put(self.agreement)
        return Right(caller, book.grant(caller))

    def require(self) -> None:
        """Raise what holds the subscription back; pass if any of its event types may be given.

        Raises:
            NoAgreement: none of them is agreed on any more.
            As `of` says.
        """
        if not [fed for fed in followed(self.subscription) if self.of(fed) is not None]:
            raise NoAgreement

    @property
    def held_by(self) -> str | None:
        """Return the code of what holds the subscription back."""
        try:
            self.require()
        except DomainError as refusal:
            return refusal.code
        return None


def followed(subscription: FeedSubscription) -> list[FedEvent]:
    return [BY_TYPE[name] for name in subscription.event_types if name in BY_TYPE]


async def rights_of(
    session: AsyncSession, subscription: FeedSubscription, receiver: Receiver | None = None
) -> Rights:
    """Return the rights of one subscription; without a receiver, those of the system that made it."""
    standing = await agreements.standing(session, [subscription.agreement_id])
    agency = await agencies.agency_named(session, subscription.agency)
    receiver = receiver or Receiver(subscription.system, "-", None, None)
    found = standing.get(subscription.agreement_id)
    return Rights(subscription, found, agency.state, agency.agency_class, receiver)


async def all_rights(
    session: AsyncSession,
    subscriptions: Iterable[FeedSubscription],
    request_id: Callable[[], str] = lambda: "-",
) -> dict[UUID, Rights]:
    """Return the rights of many subscriptions; each is asked about in a request of its own."""
    mine = list(subscriptions)
    standing = await agreements.standing(session, sorted({s.agreement_id for s in mine}))
    known = await agencies.agencies_named(session, sorted({s.agency for s in mine}))
    found: dict[UUID, Rights] = {}
    for one in mine:
        agency = known[one.agency]
        receiver = Receiver(one.system, request_id(), None, None)
        agreement = standing.get(one.agreement_id)
        found[one.id] = Rights(one, agreement, agency.state, agency.agency_class, receiver)
    return found
