"""One step of one version: allowed or not, kept in the history, told to those who enforce it."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from ndx_chassis.agreements import VIETNAM
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Operator
from ndx_chassis.ids import new_id
from ndx_chassis.outbox import publish
from ndx_contracts.agreements import AgreementState, AgreementTerms
from ndx_contracts.events import AgreementChanged
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agreements import repository
from gateway.agreements.errors import AgreementNotFound, StepRefused, VersionConflict
from gateway.agreements.models import ACTIONS, AMENDABLE, OPEN, STANDING, AgreementDecision, AgreementRow
from gateway.agreements.reading import View, etag, named
from gateway.agreements.schemas import RefusalIn
from gateway.notices import announce

_PUBLISHED = frozenset({"activate", "suspend", "resume", "expire", "terminate"})
S = AgreementState


def today() -> date:
    """Return the day in Vietnam."""
    return datetime.now(UTC).astimezone(VIETNAM).date()


@dataclass(frozen=True, slots=True)
class Clock:
    """The actor of steps that the calendar takes."""

    actor: str = "clock"
    officer: None = None
    case_id: None = None
    request_id: str = "-"
    agency: str = "NDX"
    login: str = "clock"


@dataclass(slots=True)
class Held:
    """An agreement that this transaction holds: nobody else takes a step meanwhile."""

    session: AsyncSession
    actor: Operator | Clock
    rows: list[AgreementRow] = field(default_factory=list)

    @property
    def newest(self) -> AgreementRow:
        return self.rows[-1]

    @property
    def standing(self) -> AgreementRow | None:
        """The version that calls run under."""
        return next((r for r in self.rows if r.state in STANDING), None)

    @property
    def open(self) -> AgreementRow | None:
        """The version that is being drafted or decided on, or waits for its first day."""
        return next((r for r in self.rows if r.state in OPEN), None)

    @property
    def terminated(self) -> bool:
        return any(r.state == S.TERMINATED for r in self.rows)

    @property
    def last_agreed(self) -> int:
        """The version that the parties agreed on last, 0 when they never did."""
        return max((r.version for r in self.rows if r.state in AMENDABLE), default=0)

    async def step(
        self,
        row: AgreementRow,
        action: str,
        reason: str | None = None,
        *,
        refusal: RefusalIn | None = None,
        to: AgreementState | None = None,
    ) -> View:
        """Take one step of one version.

        Raises:
            StepRefused: its state does not allow that.
        """
        allowed, state = ACTIONS[action]
        if AgreementState(row.state) not in allowed:
            raise StepRefused(f"Version {row.version} is {row.state}.")
        row.state = (to or state).value
        return await self.keep(row, action, reason, refusal=refusal)

    async def keep(
        self, row: AgreementRow, action: str, reason: str | None = None, *, refusal: RefusalIn | None = None
    ) -> View:
        """Write the decision to the history, and tell those who enforce the agreement."""
        row.updated_at = datetime.now(UTC)
        self.session.add(
            AgreementDecision(
                id=new_id(),
                agreement_id=row.agreement_id,
                version=row.version,
                action=action,
                state=row.state,
                decided_by=f"{self.actor.agency}:{self.actor.login}",
                reason=reason if refusal is None else refusal.reason,
                legal_basis=None if refusal is None else refusal.legal_basis.model_dump(),
                terms=row.terms,
                decided_at=row.updated_at,
            )
        )
        await self.session.flush()
        await record_audit(
            self.session,
            self.actor,
            action=f"agreement_{action}",
            entity_type="agreement",
            entity_id=row.agreement_id,
            details={"version": row.version, "state": row.state},
        )
        agreement = await named(self.session, row)
        if action in _PUBLISHED:
            await publish(self.session, AgreementChanged(**agreement.model_dump()))
            await announce(self.session, "agreement", row.agreement_id)
        return View(agreement, etag(self.rows))

    async def write(self, terms: AgreementTerms, action: str) -> View:
        """Add a draft with these terms as the next version."""
        first = self.rows[0] if self.rows else None
        row = AgreementRow(
            agreement_id=first.agreement_id if first else await _next_id(self.session, terms),
            version=self.newest.version + 1 if self.rows else 1,
            state=S.DRAFT.value,
            terms=terms.model_dump(mode="json"),
            consumer_agency=terms.consumer_agency,
            consumer_class=terms.consumer_class,
            provider_agency=terms.provider_agency,
            valid_from=terms.valid_from,
            valid_to=terms.valid_to,
            drafted_by=f"{self.actor.agency}:{self.actor.login}",
            decided_by=None,
        )
        self.session.add(row)
        self.rows.append(row)
        return await self.keep(row, action)

    async def begin(self, row: AgreementRow) -> View:
        """Put an approved version in the place of the one that stands; a suspension goes on."""
        former = self.standing
        suspended = former is not None and former.state == S.SUSPENDED
        if former is not None:
            await self.step(former, "supersede")
        return await self.step(row, "activate", to=S.SUSPENDED if suspended else None)


async def _next_id(session: AsyncSession, terms: AgreementTerms) -> str:
    consumer = terms.consumer_agency or f"CLASS_{terms.consumer_class}"
    return f"DSA-{consumer}-{await repository.next_number(session, consumer)}"


def _tags(if_match: str | None) -> list[str]:
    return [tag.strip() for tag in (if_match or "*").split(",")]


def names_one(if_match: str | None) -> bool:
    """Tell whether a call says what it was decided on; `*` stands for whatever there is."""
    return "*" not in _tags(if_match)


async def held(
    session: AsyncSession, actor: Operator | Clock, agreement_id: str, if_match: str | None = None
) -> Held:
    """Hold an agreement for a step.

    Raises:
        AgreementNotFound: it is unknown.
        VersionConflict: it is not as the operator saw it.
    """
    if not await repository.lock(session, agreement_id):
        raise AgreementNotFound
    rows = list(await repository.versions(session, agreement_id))
    current = etag(rows)
    seen = _tags(if_match)
    if "*" not in seen and current not in seen:
        raise VersionConflict(f"The agreement is {current} now; read it again before you decide.")
    return Held(session, actor, rows)
