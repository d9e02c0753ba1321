"""The second layer of enforcement: what the agreement behind a call lets this service give."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated

from fastapi import Depends, Request
from ndx_contracts.agreements import Agreement, AgreementState
from ndx_contracts.events import AgreementChanged
from ndx_contracts.field_groups import FieldGroup
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from ndx_chassis.caller import Caller, CallerDep
from ndx_chassis.errors import DomainError, Kind
from ndx_chassis.kafka import follow
from ndx_chassis.tables import agreements as table
from ndx_chassis.telemetry import log

VIETNAM = timezone(timedelta(hours=7))


class NoAgreement(DomainError):
    kind = Kind.FORBIDDEN
    code = "no-agreement"
    title = "No data-sharing agreement covers this call"
    title_vi = "Không có thỏa thuận chia sẻ dữ liệu cho yêu cầu này"


class AgreementNotSynchronised(DomainError):
    kind = Kind.UNAVAILABLE
    code = "agreement-not-synchronised"
    title = "The service has not received this agreement yet"
    title_vi = "Dịch vụ chưa nhận được thỏa thuận này"


class AgreementSuspended(DomainError):
    kind = Kind.FORBIDDEN
    code = "agreement-suspended"
    title = "The agreement is suspended"
    title_vi = "Thỏa thuận đang bị tạm dừng"


class AgreementExpired(DomainError):
    kind = Kind.FORBIDDEN
    code = "agreement-expired"
    title = "The agreement is not in force on this day"
    title_vi = "Thỏa thuận không có hiệu lực vào ngày này"


class PurposeNotCovered(DomainError):
    kind = Kind.FORBIDDEN
    code = "purpose-not-covered"
    title = "The agreement does not cover this purpose"
    title_vi = "Thỏa thuận không bao gồm mục đích này"


class FieldGroupNotCovered(DomainError):
    kind = Kind.FORBIDDEN
    code = "field-group-not-covered"
    title = "The agreement does not cover these field groups"
    title_vi = "Thỏa thuận không bao gồm các nhóm thông tin này"


class OfficerMissing(DomainError):
    code = "officer-missing"
    title = "The agreement asks for the officer's id in NDX-Officer"
    title_vi = "Thỏa thuận yêu cầu mã cán bộ trong NDX-Officer"


class CaseMissing(DomainError):
    code = "case-missing"
    title = "The agreement asks for the dossier in NDX-Case-Id"
    title_vi = "Thỏa thuận yêu cầu mã hồ sơ trong NDX-Case-Id"


class SignatureMissing(DomainError):
    code = "signature-missing"
    title = "The agreement asks for a signed call"
    title_vi = "Thỏa thuận yêu cầu ký số yêu cầu"


class OutsideAdminScope(DomainError):
    kind = Kind.FORBIDDEN
    code = "outside-admin-scope"
    title = "The place lies outside the agreement's administrative scope"
    title_vi = "Địa bàn nằm ngoài phạm vi của thỏa thuận"


class OutsideAgreedHours(DomainError):
    kind = Kind.FORBIDDEN
    code = "outside-agreed-hours"
    title = "The agreement does not cover this time of day"
    title_vi = "Thỏa thuận không bao gồm khung giờ này"


@dataclass(frozen=True, slots=True)
class Grant:
    """What one caller may get from one operation under one agreement."""

    agreement: Agreement
    operation: str
    field_groups: frozenset[FieldGroup]

    def require_field_groups(self, wanted: Iterable[FieldGroup]) -> None:
        """Refuse, by name, each group outside the agreement.

        Raises:
            FieldGroupNotCovered: at least one group is not agreed on.
        """
        missing = sorted(g.value for g in set(wanted) - self.field_groups)
        if missing:
            raise FieldGroupNotCovered(
                f"Not in agreement {self.agreement.agreement_id}: {', '.join(missing)}."
            )

    def covers(self, province_code: str | None, commune_code: str | None) -> bool:
        """Tell whether a person living there is within the administrative scope."""
        scope = self.agreement.admin_scope
        if not scope.provinces and not scope.communes:
            return True
        return province_code in scope.provinces or commune_code in scope.communes

    def require_scope(self, province_code: str | None, commune_code: str | None) -> None:
        """Refuse a place outside the administrative scope.

        Raises:
            OutsideAdminScope: the agreement covers other places.
        """
        if not self.covers(province_code, commune_code):
            raise OutsideAdminScope


class AgreementBook:
    """The agreements that this process knows, kept current by topic `gateway.agreement.v1`."""

    def __init__(self) -> None:
        self._by_id: dict[str, Agreement] = {}
        self._grants: dict[tuple[str, str], Grant] = {}
        self.synchronised = asyncio.Event()

    def put(self, agreement: Agreement) -> None:
        """Take the newest document of an agreement."""
        self._by_id[agreement.agreement_id] = agreement
        for key in [k for k in self._grants if k[0] == agreement.agreement_id]:
            del self._grants[key]

    def get(self, agreement_id: str) -> Agreement | None:
        return self._by_id.get(agreement_id)

    def all(self) -> list[Agreement]:
        return list(self._by_id.values())

    async def load(self, session: AsyncSession) -> None:
        """Read the service's own copy, so that it can work while Kafka is away."""
        for row in await session.execute(select(table.c.document)):
            try:
                self.put(Agreement.model_validate(row.document))
            except ValidationError:
                log.error("agreement_unreadable")

    async def store(self, session: AsyncSession, agreement: Agreement) -> None:
        """Write an agreement to the service's own copy."""
        values = {"version": agreement.version, "document": agreement.model_dump(mode="json")}
        statement = insert(table).values(agreement_id=agreement.agreement_id, **values)
        await session.execute(
            statement.on_conflict_do_update(index_elements=[table.c.agreement_id], set_=values)
        )

    async def follow(self, sessions: async_sessionmaker[AsyncSession], servers: str) -> None:
        """Take and store what the topic brings, for ever."""

        async def take(value: bytes) -> None:
            agreement = AgreementChanged.model_validate_json(value, extra="ignore")
            self.put(agreement)
            async with sessions() as session, session.begin():
                await self.store(session, agreement)

        await follow(AgreementChanged.TOPIC, servers, take, self.synchronised)

    def grant(self, caller: Caller, *, purpose_needed: bool = True) -> Grant:
        """Return what the caller may get; only operations on personal data need a purpose.

        Raises:
            AgreementNotSynchronised: the agreement is new and its event has not arrived.
            NoAgreement, AgreementSuspended, AgreementExpired, PurposeNotCovered,
            OfficerMissing, CaseMissing, SignatureMissing, OutsideAgreedHours: as their codes say.
        """
        agreement = self._by_id.get(caller.agreement)
        if agreement is None:
            if not caller.agreement:
                raise NoAgreement
            raise AgreementNotSynchronised(retry_after=1)
        key = (agreement.agreement_id, caller.operation)
        grant = self._grants.get(key)
        if grant is None:
            terms = agreement.grant(caller.operation)
            if terms is None:
                raise NoAgreement
            grant = self._grants[key] = Grant(agreement, caller.operation, frozenset(terms.field_groups))
        check(agreement, caller, purpose_needed=purpose_needed, now=datetime.now(UTC))
        return grant


def check(agreement: Agreement, caller: Caller, *, purpose_needed: bool, now: datetime) -> None:
    """Refuse a call that the agreement does not cover at that moment; raises as `grant` does."""
    if not agreement.binds(caller.agency, caller.agency_class, caller.system):
        raise NoAgreement
    if agreement.state is AgreementState.SUSPENDED:
        raise AgreementSuspended
    local = now.astimezone(VIETNAM)
    if not agreement.in_force(local.date()):
        raise AgreementExpired
    if (purpose_needed or caller.purpose) and caller.purpose not in agreement.purposes:
        raise PurposeNotCovered
    conditions = agreement.conditions
    if conditions.officer_required and not caller.officer:
        raise OfficerMissing
    if conditions.case_required and not caller.case_id:
        raise CaseMissing
    if conditions.signature_required and not caller.signed:
        raise SignatureMissing
    hours = conditions.time_of_day
    # Here and not at the gateway: a clock needs no control plane that switches it.
    if hours is not None and not hours.covers(local.time()):
        begins = local.replace(hour=hours.start.hour, minute=hours.start.minute, second=hours.start.second)
        wait = (begins - local).total_seconds() % 86_400
        raise OutsideAgreedHours(
            f"Calls run from {hours.start:%H:%M} to {hours.end:%H:%M}, Vietnam's time.",
            retry_after=int(wait) + 1,
        )


async def _grant(request: Request, caller: CallerDep) -> Grant:
    book: AgreementBook = request.app.state.runtime.agreements
    declared = getattr(request.scope.get("route"), "openapi_extra", None) or {}
    personal = bool(declared.get("x-ndx-operation", {}).get("personal_data", True))
    return book.grant(caller, purpose_needed=personal)


GrantDep = Annotated[Grant, Depends(_grant)]
