"""A mother sees who read her data and her child's: here, at the other services, and nobody else's."""

from datetime import UTC, date, datetime
from uuid import UUID, uuid4

from ndx_chassis.ids import new_id
from ndx_contracts.disclosure import DisclosureRecord, Outcome
from ndx_contracts.events import AccountActivated, AccountLocked, AccountUnlocked, AgencyChanged
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import text
from svc_population.disclosures.service import index_own

MOTHER = "079190000011"
CHILD = "079326000001"
GROWN = "079210000002"
ACCOUNT = UUID("01920000-0000-7000-8000-000000000001")
URL = "/population/v1/me/disclosures"


def foreign(subject: str, **values: object) -> DisclosureRecord:
    record = {
        "id": new_id(),
        "occurred_at": datetime(2026, 11, 23, 8, tzinfo=UTC),
        "service": "insurance",
        "agency": "H79.001",
        "system": "his",
        "officer": "bs.lan",
        "case_id": None,
        "purpose": "HEALTH_ENTITLEMENT",
        "agreement": "DSA-H79.001-1",
        "agreement_version": 1,
        "operation": "insurance.create_entitlement_check",
        "subjects": (subject,),
        "field_groups": (FieldGroup.INSURANCE_ENTITLEMENT,),
        "outcome": Outcome.MATCHED,
        "request_id": "r",
        "trace_id": None,
        **values,
    }
    return DisclosureRecord.model_validate(record)


async def family(deliver, add_person, session) -> None:
    await add_person(MOTHER)
    await add_person(CHILD, birth_date=date(2026, 11, 20), sex="FEMALE", given_name="Bé")
    await add_person(GROWN, birth_date=date(2010, 1, 1))
    await session.execute(
        text(
            "INSERT INTO relationships (personal_id, relation, related_personal_id, source)"
            " VALUES (:c, 'MOTHER', :m, 't'), (:g, 'MOTHER', :m, 't')"
        ),
        {"c": CHILD, "g": GROWN, "m": MOTHER},
    )
    await session.commit()
    await deliver(AccountActivated(account_id=ACCOUNT, account_version=1, personal_id=MOTHER, level=2))


class TestListMyDisclosures:
    async def test_own_reads_and_those_of_a_small_child_come_newest_first_with_words(
        self, client, deliver, add_person, session, insurer, as_citizen, agree
    ):
        await family(deliver, add_person, session)
        agree("H79.001", {"insurance.create_entitlement_check": []}, purposes=["HEALTH_ENTITLEMENT"])
        for number in (MOTHER, CHILD, GROWN):
            await client.get(f"/population/v1/persons/{number}?fields=birth_name", headers=insurer)
        await deliver(foreign(CHILD))
        reply = await client.get(URL, headers=as_citizen(ACCOUNT))
        assert reply.status_code == 200, reply.text
        body = reply.json()
        assert [(s["relation"], s["name"]) for s in body["subjects"]] == [
            ("SELF", "Trần Thị Hoà"),
            ("CHILD", "Lê Bé"),
        ]
        seen = [(i["subject"]["relation"], i["service"], i["agency"]["vi"]) for i in body["items"]]
        assert seen == [
            ("CHILD", "population", "Cơ quan G03"),
            ("SELF", "population", "Cơ quan G03"),
            ("CHILD", "insurance", "Cơ quan H79.001"),
        ]
        first = body["items"][0]
        assert first["purpose"]["en"] == "Social insurance"
        assert first["field_groups"] == [
            {"code": "birth_name", "vi": "Họ, chữ đệm và tên khai sinh", "en": "Birth name"}
        ]
        assert first["legal_basis"] == {"text": "Quy định dùng trong kiểm thử", "reference": "TEST"}
        assert MOTHER not in reply.text
        assert CHILD not in reply.text

    async def test_the_list_is_the_same_before_and_after_indexing(
        self, client, deliver, add_person, session, insurer, as_citizen, runtime
    ):
        await family(deliver, add_person, session)
        for _ in range(3):
            await client.get(f"/population/v1/persons/{MOTHER}?fields=sex", headers=insurer)
        before = (await client.get(URL, headers=as_citizen(ACCOUNT))).json()["items"]
        assert await index_own(runtime) == 3
        await client.get(f"/population/v1/persons/{CHILD}?fields=sex", headers=insurer)
        after = (await client.get(URL, headers=as_citizen(ACCOUNT))).json()["items"]
        assert after[1:] == before
        assert len(before) == 3
        assert await index_own(runtime) == 1

    async def test_pages_and_filters_lose_nothing(
        self, client, deliver, add_person, session, insurer, as_citizen
    ):
        await family(deliver, add_person, session)
        for number in (MOTHER, CHILD, MOTHER, CHILD, CHILD):
            await client.get(f"/population/v1/persons/{number}?fields=sex", headers=insurer)
        await deliver(foreign(CHILD, subjects=(CHILD, MOTHER), occurred_at=datetime(2026, 10, 1, tzinfo=UTC)))
        headers = as_citizen(ACCOUNT)
        seen, cursor = [], None
        while True:
            parameters = {"limit": 2, **({"cursor": cursor} if cursor else {})}
            page = (await client.get(URL, params=parameters, headers=headers)).json()
            seen += [(i["id"], i["subject"]["ref"]) for i in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == 7
        child = page["subjects"][1]["ref"]
        of_child = (await client.get(URL, params={"subject": child}, headers=headers)).json()["items"]
        assert {i["subject"]["ref"] for i in of_child} == {child}
        assert len(of_child) == 4
        october = {"since": "2026-10-01", "until": "2026-10-31"}
        assert len((await client.get(URL, params=october, headers=headers)).json()["items"]) == 2
        always = {"since": "0001-01-01", "until": "9999-12-31"}
        assert len((await client.get(URL, params=always, headers=headers)).json()["items"]) == 7

    async def test_other_people_bad_cursors_and_weak_log_ins_are_refused(
        self, client, deliver, add_person, session, as_citizen
    ):
        await family(deliver, add_person, session)
        headers = as_citizen(ACCOUNT)
        other = await client.get(URL, params={"subject": str(uuid4())}, headers=headers)
        assert (other.status_code, other.json()["code"]) == (404, "disclosure-subject-not-found")
        assert (await client.get(URL, params={"cursor": "x"}, headers=headers)).status_code == 400
        assert (await client.get(URL, headers=as_citizen(ACCOUNT, acr=1))).json()[
            "code"
        ] == "acr-insufficient"
        assert (await client.get(URL, headers=as_citizen(uuid4()))).json()["code"] == "account-unknown"
        assert (await client.get(URL)).status_code == 401

    async def test_a_locked_account_sees_nothing_and_late_events_change_nothing(
        self, client, deliver, add_person, session, as_citizen
    ):
        await family(deliver, add_person, session)
        await deliver(AccountLocked(account_id=ACCOUNT, account_version=3, cause="DEATH"))
        await deliver(AccountUnlocked(account_id=ACCOUNT, account_version=2))
        reply = await client.get(URL, headers=as_citizen(ACCOUNT))
        assert (reply.status_code, reply.json()["code"]) == (403, "account-locked")


class TestUnderATemplate:
    async def test_the_reader_is_named_and_not_the_class(
        self, client, deliver, add_person, session, as_citizen, agree
    ):
        await family(deliver, add_person, session)
        agree(
            "H79.001",
            {"insurance.create_entitlement_check": []},
            purposes=["HEALTH_ENTITLEMENT"],
            agreement_id="DSA-CLASS_HEALTH-1",
            consumer_class="HEALTH",
        )
        words = {"agency_class": "HEALTH", "state": "ACTIVE"}
        for name, name_en in (("Trạm y tế", "Station"), ("Trạm y tế phường 1", "Health station 1")):
            await deliver(AgencyChanged(code="H79.001", name=name, name_en=name_en, **words))
        for agency in ("H79.001", "H01.002"):
            await deliver(foreign(MOTHER, agency=agency, agreement="DSA-CLASS_HEALTH-1"))
        reply = await client.get(URL, headers=as_citizen(ACCOUNT))
        seen = {i["agency"]["code"]: (i["agency"]["vi"], i["agency"]["en"]) for i in reply.json()["items"]}
        assert seen["H79.001"] == ("Trạm y tế phường 1", "Health station 1")
        assert seen["H01.002"] == ("H01.002", "H01.002"), "rather its code than the name of a class"
