"""A residence is registered once, at one place at a time, by whom it concerns; the person's row follows."""

import asyncio
from datetime import date, timedelta
from uuid import UUID

import pytest
from ndx_contracts.events import PersonDeceased
from sqlalchemy import text
from svc_population.admin_units.service import today
from svc_population.residences.ends import expire

MOTHER = "079190000011"
URL = f"/population/v1/persons/{MOTHER}/residences"
PERSON = f"/population/v1/persons/{MOTHER}"
GROUPS = "permanent_residence temporary_residence current_residence temporary_absence residence_file_number"
READ = {"fields": ",".join(GROUPS.split())}


async def person_id(session) -> UUID:
    found = await session.execute(text("SELECT person_id FROM persons WHERE personal_id = :n"), {"n": MOTHER})
    return found.scalar_one()


class TestRegisterResidence:
    async def test_a_move_ends_the_former_residence_and_the_person_is_read_at_the_new_one(
        self, client, police, insurer, move, add_person, emitted, disclosed
    ):
        await add_person(MOTHER, permanent_since=date(2020, 1, 1), permanent_address="Số 9")
        reply = await client.post(URL, json=move(), headers=police)
        assert reply.status_code == 201, reply.text
        new = reply.json()
        assert new["residence_file_number"] == f"00070/{today().year}/000001"
        read = (await client.get(PERSON, params=READ, headers=insurer)).json()
        assert read["permanent_residence"] == {
            "province_code": "01",
            "commune_code": "00070",
            "address": "Số 1 Đường Thử Nghiệm",
            "since": "2026-06-01",
        }
        assert read["residence_file_number"] == new["residence_file_number"]
        history = (await client.get(URL, params={"kind": "PERMANENT"}, headers=police)).json()["items"]
        assert [(r["state"], r["commune_code"], r["valid_from"], r["valid_to"]) for r in history] == [
            ("REGISTERED", "00070", "2026-06-01", None),
            ("ENDED", "26740", "2020-01-01", "2026-05-31"),
        ]
        changed, generic = await emitted()
        assert changed["type"] == "population.residence-changed.v1"
        assert changed["data"]["changed"] == ["permanent_residence", "residence_file_number"]
        assert (changed["data"]["former_commune_code"], changed["data"]["commune_code"]) == ("26740", "00070")
        assert generic["type"] == "population.person-changed.v1"
        assert "Thử Nghiệm" not in str(changed)
        assert {r["operation"] for r in await disclosed()} >= {"population.register_residence"}

    async def test_two_registrations_at_once_one_wins_and_the_other_is_told(
        self, client, police, move, add_person
    ):
        await add_person(MOTHER)
        places = (("01", "00070"), ("79", "26743"))
        replies = await asyncio.gather(
            *(client.post(URL, json=move(province_code=p, commune_code=c), headers=police) for p, c in places)
        )
        assert sorted(r.status_code for r in replies) == [201, 409]
        (lost,) = [r for r in replies if r.status_code == 409]
        assert lost.json()["code"] == "residence-overlaps"
        won = next(r.json() for r in replies if r.status_code == 201)
        listed = await client.get(URL, params={"kind": "PERMANENT"}, headers=police)
        running = [r for r in listed.json()["items"] if r["state"] == "REGISTERED"]
        assert [r["residence_id"] for r in running] == [won["residence_id"]]

    async def test_a_decision_on_an_old_version_is_refused(self, client, police, move, add_person):
        await add_person(MOTHER)
        first = await client.post(URL, json=move(), headers={**police, "If-Match": '"1"'})
        assert first.status_code == 201
        late = move(commune_code="26743", province_code="79", valid_from="2026-07-01")
        reply = await client.post(URL, json=late, headers={**police, "If-Match": '"1"'})
        assert (reply.status_code, reply.json()["code"]) == (412, "person-version-conflict")

    async def test_the_same_call_twice_changes_nothing_more(self, client, police, move, add_person, emitted):
        await add_person(MOTHER)
        one = await client.post(URL, json=move(), headers={**police, "Idempotency-Key": "a"})
        two = await client.post(URL, json=move(), headers={**police, "Idempotency-Key": "a"})
        three = await client.post(URL, json=move(), headers=police)
        assert one.text == two.text
        assert three.json()["residence_id"] == one.json()["residence_id"]
        assert len(await emitted()) == 2

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"commune_code": "99999"}, "place-unknown"),
            ({"province_code": "79"}, "place-unknown"),
            ({"valid_from": "1980-01-01"}, "residence-dates-invalid"),
            ({"valid_from": "2199-01-01"}, "residence-dates-invalid"),
            ({"valid_to": "2030-01-01"}, "residence-dates-invalid"),
            ({"kind": "TEMPORARY"}, "residence-dates-invalid"),
            ({"kind": "TEMPORARY", "valid_to": "2028-06-01"}, "residence-dates-invalid"),
            ({"kind": "TEMPORARY", "valid_to": "2026-05-01"}, "residence-dates-invalid"),
            ({"kind": "STAY", "valid_to": "2026-07-01"}, "residence-dates-invalid"),
            (
                {"kind": "TEMPORARY", "valid_from": "9999-01-01", "valid_to": "9999-12-31"},
                "residence-dates-invalid",
            ),
            ({"commune_code": None}, "invalid-input"),
            ({"address": "Số 1\x07"}, "invalid-input"),
            ({"basis": {"document": "QĐ\x1b[2J"}}, "invalid-input"),
            ({"kind": "STAY", "residence_file_number": "1", "valid_to": "2026-06-02"}, "invalid-input"),
        ],
    )
    async def test_what_does_not_fit_is_refused(self, client, police, move, add_person, changes, code):
        await add_person(MOTHER)
        reply = await client.post(URL, json=move(**changes), headers=police)
        assert (reply.status_code, reply.json()["code"]) == (422, code)

    async def test_temporary_residence_lies_outside_the_own_commune_and_ends_by_a_move_there(
        self, client, police, insurer, move, add_person
    ):
        await add_person(MOTHER)
        until = (today() + timedelta(days=90)).isoformat()
        own = move(kind="TEMPORARY", province_code="79", commune_code="26740", valid_to=until)
        reply = await client.post(URL, json=own, headers=police)
        assert (reply.status_code, reply.json()["code"]) == (409, "temporary-residence-in-own-commune")
        away = move(kind="TEMPORARY", valid_to=until)
        assert (await client.post(URL, json=away, headers=police)).status_code == 201
        read = (await client.get(PERSON, params=READ, headers=insurer)).json()
        assert read["temporary_residence"]["until"] == until
        moved = await client.post(URL, json=move(valid_from="2026-07-01"), headers=police)
        assert moved.status_code == 201
        read = (await client.get(PERSON, params=READ, headers=insurer)).json()
        assert read["temporary_residence"] is None
        assert read["permanent_residence"]["commune_code"] == "00070"

    async def test_absence_needs_no_place_and_a_stay_has_no_group_of_its_own(
        self, client, police, insurer, move, add_person, emitted
    ):
        await add_person(MOTHER)
        begin, end = today(), today() + timedelta(days=20)
        absence = {
            "kind": "ABSENCE",
            "valid_from": begin.isoformat(),
            "valid_to": end.isoformat(),
            "basis": {"document": "TK-2"},
        }
        assert (await client.post(URL, json=absence, headers=police)).status_code == 201
        stay = move(kind="STAY", valid_from=begin.isoformat(), valid_to=end.isoformat())
        assert (await client.post(URL, json=stay, headers=police)).status_code == 201
        read = (await client.get(PERSON, params=READ, headers=insurer)).json()
        assert read["temporary_absence"] == {"from": begin.isoformat(), "until": end.isoformat()}
        assert read["current_residence"] is None
        last = (await emitted())[-1]
        assert (last["type"], last["data"]["changed"]) == (
            "population.residence-changed.v1",
            ["current_residence"],
        )

    async def test_a_ward_registers_who_moves_in_and_nobody_elsewhere(
        self, client, ward_police, move, add_person, disclosed
    ):
        await add_person(MOTHER, permanent_province_code="01", permanent_commune_code="00070")
        elsewhere = await client.post(URL, json=move(commune_code="00073"), headers=ward_police)
        assert (elsewhere.status_code, elsewhere.json()["code"]) == (403, "outside-admin-scope")
        hidden = await client.get(URL, headers=ward_police)
        assert (hidden.status_code, hidden.json()["code"]) == (404, "person-not-found")
        assert (await disclosed())[-1]["outcome"] == "NOT_FOUND"
        moves_in = move(province_code="79", commune_code="26740")
        assert (await client.post(URL, json=moves_in, headers=ward_police)).status_code == 201
        assert (await client.get(URL, headers=ward_police)).status_code == 200

    async def test_nobody_dead_is_registered(self, client, police, move, add_person):
        await add_person(MOTHER, life_status="DECEASED", death_or_missing_date=date(2026, 1, 1))
        reply = await client.post(URL, json=move(), headers=police)
        assert (reply.status_code, reply.json()["code"]) == (409, "person-locked")


class TestListResidences:
    async def test_an_imported_residence_has_the_same_id_before_and_after_it_is_touched(
        self, client, police, add_person
    ):
        await add_person(MOTHER, permanent_since=date(2020, 1, 1))
        (before,) = (await client.get(URL, headers=police)).json()["items"]
        assert (before["registered_at"], before["valid_from"]) == (None, "2020-01-01")
        change = {"address": "Số 2", "basis": {"document": "CT-1"}}
        reply = await client.patch(f"{URL}/{before['residence_id']}", json=change, headers=police)
        assert reply.status_code == 200, reply.text
        assert reply.json()["residence_id"] == before["residence_id"]

    async def test_what_was_true_on_a_day(self, client, police, move, add_person):
        await add_person(MOTHER, permanent_since=date(2020, 1, 1))
        await client.post(URL, json=move(), headers=police)
        for day, commune in (("2026-05-31", "26740"), ("2026-06-01", "00070")):
            found = (await client.get(URL, params={"on": day}, headers=police)).json()["items"]
            assert [r["commune_code"] for r in found] == [commune]

    async def test_a_place_is_shown_in_the_units_of_another_day(self, client, police, move, add_person):
        await add_person(MOTHER)
        await client.post(URL, json=move(), headers=police)
        asked = {"kind": "PERMANENT", "on": "2026-06-02", "units_on": "2025-06-30"}
        (found,) = (await client.get(URL, params=asked, headers=police)).json()["items"]
        assert found["place"]["outcome"] == "SEVERAL"
        assert found["place"]["commune_code"] is None
        (found,) = (await client.get(URL, params={**asked, "units_on": today()}, headers=police)).json()[
            "items"
        ]
        assert found["place"]["commune_name"] == "Phường Hoàn Kiếm"

    async def test_kinds_outside_the_agreement_are_refused_by_name(
        self, client, agree, as_agency, add_person
    ):
        await add_person(MOTHER)
        agree(
            "B01",
            {"population.list_residences": ["permanent_residence"]},
            purposes=["RESIDENCE_MANAGEMENT"],
        )
        headers = as_agency("B01", purpose="RESIDENCE_MANAGEMENT")
        refused = await client.get(URL, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "field-group-not-covered")
        assert (await client.get(URL, params={"kind": "PERMANENT"}, headers=headers)).status_code == 200

    async def test_a_correction_of_the_persons_row_is_what_is_shown_and_what_is_kept(
        self, client, police, move, add_person, runtime
    ):
        await add_person(MOTHER)
        await client.post(URL, json=move(), headers=police)
        async with runtime.sessions() as session, session.begin():
            await session.execute(
                text(
                    "UPDATE persons SET permanent_commune_code = '00073', permanent_since = '2026-08-01'"
                    " WHERE personal_id = :n"
                ),
                {"n": MOTHER},
            )
        shown = (await client.get(URL, params={"kind": "PERMANENT"}, headers=police)).json()["items"]
        assert [r["commune_code"] for r in shown if r["state"] == "REGISTERED"] == ["00073"]
        back = move(valid_from="2026-09-01")
        assert (await client.post(URL, json=back, headers=police)).status_code == 201
        kept = (await client.get(URL, params={"kind": "PERMANENT"}, headers=police)).json()["items"]
        assert [(r["commune_code"], r["valid_from"], r["valid_to"]) for r in kept][:3] == [
            ("00070", "2026-09-01", None),
            ("00073", "2026-08-01", "2026-08-31"),
            ("00070", "2026-06-01", "2026-07-31"),
        ]


class TestChangeAndEndResidence:
    async def test_a_temporary_residence_is_prolonged_within_the_law(
        self, client, police, insurer, move, add_person
    ):
        await add_person(MOTHER)
        until = (today() + timedelta(days=30)).isoformat()
        body = move(kind="TEMPORARY", valid_from=today().isoformat(), valid_to=until)
        made = (await client.post(URL, json=body, headers=police)).json()
        url = f"{URL}/{made['residence_id']}"
        longer = (today() + timedelta(days=300)).isoformat()
        reply = await client.patch(
            url, json={"valid_to": longer, "basis": {"document": "GH-1"}}, headers=police
        )
        assert (reply.status_code, reply.json()["valid_to"]) == (200, longer)
        read = (await client.get(PERSON, params=READ, headers=insurer)).json()
        assert read["temporary_residence"]["until"] == longer
        too_long = {
            "valid_to": (today() + timedelta(days=800)).isoformat(),
            "basis": {"document": "GH-2"},
        }
        reply = await client.patch(url, json=too_long, headers=police)
        assert (reply.status_code, reply.json()["code"]) == (422, "residence-dates-invalid")

    async def test_a_registration_is_taken_off_the_register(
        self, client, police, insurer, move, add_person, emitted
    ):
        await add_person(MOTHER)
        made = (await client.post(URL, json=move(), headers=police)).json()
        end = {"cause": "DEREGISTERED", "ended_on": "2026-08-31", "basis": {"document": "XĐK-1"}}
        url = f"{URL}/{made['residence_id']}/end"
        reply = await client.post(url, json=end, headers=police)
        assert (reply.status_code, reply.json()["state"], reply.json()["valid_to"]) == (
            200,
            "ENDED",
            "2026-08-31",
        )
        read = (await client.get(PERSON, params=READ, headers=insurer)).json()
        assert (read["permanent_residence"], read["residence_file_number"]) == (None, None)
        again = await client.post(url, json=end, headers=police)
        assert (again.status_code, again.json()["code"]) == (409, "residence-ended")
        unknown = await client.post(f"{URL}/{UUID(int=7)}/end", json=end, headers=police)
        assert (unknown.status_code, unknown.json()["code"]) == (404, "residence-not-found")
        assert (await emitted())[-1]["data"]["commune_code"] is None

    async def test_what_was_registered_in_error_never_was_true(self, client, police, move, add_person):
        await add_person(MOTHER)
        body = move(kind="CURRENT")
        made = (await client.post(URL, json=body, headers=police)).json()
        end = {"cause": "WRONG_ENTRY", "basis": {"document": "BB-1"}}
        reply = await client.post(f"{URL}/{made['residence_id']}/end", json=end, headers=police)
        assert reply.json()["state"] == "REVOKED"
        found = await client.get(URL, params={"kind": "CURRENT", "on": "2026-06-02"}, headers=police)
        assert found.json()["items"] == []
        assert (await client.post(URL, json=body, headers=police)).status_code == 201

    async def test_an_end_before_the_beginning_is_refused(self, client, police, move, add_person):
        await add_person(MOTHER)
        made = (await client.post(URL, json=move(), headers=police)).json()
        end = {"cause": "DEREGISTERED", "ended_on": "2026-05-01", "basis": {"document": "XĐK-1"}}
        reply = await client.post(f"{URL}/{made['residence_id']}/end", json=end, headers=police)
        assert (reply.status_code, reply.json()["code"]) == (422, "residence-dates-invalid")


class TestWhatEndsByItself:
    async def test_a_death_closes_everything_that_runs(
        self, client, police, move, add_person, deliver, session
    ):
        await add_person(MOTHER)
        await client.post(URL, json=move(), headers=police)
        stay = move(kind="STAY", valid_from="2026-07-01", valid_to="2026-07-20")
        await client.post(URL, json=stay, headers=police)
        await deliver(
            PersonDeceased(
                person_id=await person_id(session),
                personal_id=MOTHER,
                version=2,
                died_on=date(2026, 6, 15),
            )
        )
        rows = await session.execute(
            text("SELECT kind, state, valid_to, end_cause FROM residences ORDER BY valid_from")
        )
        found = [tuple(r) for r in rows if r.end_cause == "DEATH"]
        assert found == [
            ("PERMANENT", "ENDED", date(2026, 6, 15), "DEATH"),
            ("STAY", "REVOKED", date(2026, 7, 20), "DEATH"),
        ]

    async def test_the_last_residence_of_the_dead_is_no_registration_any_more(
        self, client, police, move, add_person, deliver, runtime, session
    ):
        await add_person(MOTHER)
        await client.post(URL, json=move(), headers=police)
        dead = "UPDATE persons SET life_status = 'DECEASED', death_or_missing_date = '2026-06-15'"
        async with runtime.sessions() as own, own.begin():
            await own.execute(text(dead))
        (imported,) = (await client.get(URL, params={"on": "2026-06-10"}, headers=police)).json()["items"]
        assert imported["state"] == "REGISTERED"
        number = await person_id(session)
        died = {"person_id": number, "personal_id": MOTHER, "version": 2, "died_on": date(2026, 6, 15)}
        await deliver(PersonDeceased(**died))
        listed = (await client.get(URL, params={"kind": "PERMANENT"}, headers=police)).json()["items"]
        assert [(r["state"], r["end_cause"]) for r in listed] == [("ENDED", "DEATH"), ("ENDED", "MOVED")]

    async def test_who_came_dead_with_an_import_has_a_last_residence_that_ended(
        self, client, police, add_person
    ):
        await add_person(
            MOTHER,
            permanent_since=date(2020, 1, 1),
            life_status="DECEASED",
            death_or_missing_date=date(2024, 6, 15),
        )
        (last,) = (await client.get(URL, headers=police)).json()["items"]
        assert (last["state"], last["end_cause"], last["valid_to"]) == ("ENDED", "DEATH", "2024-06-15")

    async def test_what_had_a_last_day_ends_after_it_once(
        self, client, police, insurer, move, add_person, runtime, emitted
    ):
        await add_person(MOTHER)
        yesterday = today() - timedelta(days=1)
        body = move(kind="ABSENCE", valid_from="2026-06-01", valid_to=yesterday.isoformat())
        assert (await client.post(URL, json=body, headers=police)).status_code == 201
        before = len(await emitted())
        assert (await expire(runtime), await expire(runtime)) == (1, 0)
        read = (await client.get(PERSON, params=READ, headers=insurer)).json()
        assert read["temporary_absence"] is None
        assert len(await emitted()) == before + 2

    async def test_what_expires_of_a_merged_person_does_not_stand_before_the_others_for_ever(
        self, client, police, move, add_person, runtime, session
    ):
        await add_person(MOTHER)
        yesterday = today() - timedelta(days=1)
        body = move(kind="ABSENCE", valid_from="2026-06-01", valid_to=yesterday.isoformat())
        assert (await client.post(URL, json=body, headers=police)).status_code == 201
        # As a merger does it: the number leads to a person with another record.
        await session.execute(text("UPDATE residences SET person_id = uuidv7()"))
        await session.commit()
        assert (await expire(runtime), await expire(runtime)) == (1, 0)
