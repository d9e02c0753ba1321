"""Kafka door of the citizen's view: the disclosure records of the other services."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event, Subscription
from ndx_chassis.db import Session
from ndx_contracts.disclosure import DisclosureRecord
from ndx_contracts.events import AgencyChanged
from ndx_contracts.topics import DISCLOSING_SERVICES, disclosure_topic

from svc_population.disclosures import service


async def on_disclosures(session: Session, events: list[Event[DisclosureRecord]], _runtime: Runtime) -> None:
    await service.keep_foreign(session, [event.data for event in events])


async def on_agency(session: Session, event: Event[AgencyChanged], _runtime: Runtime) -> None:
    data = event.data
    await service.keep_agency_name(session, code=data.code, name=data.name, name_en=data.name_en)


SUBSCRIPTIONS = [
    Subscription(AgencyChanged.TOPIC, "population", {AgencyChanged: on_agency}),
    *(
        Subscription(disclosure_topic(other), "population", together={DisclosureRecord: on_disclosures})
        for other in DISCLOSING_SERVICES
        if other != "population"
    ),
]
