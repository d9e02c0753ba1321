"""What leaves through a feed: nothing that is not in the table, nothing that the agreement does not hold."""

from datetime import date
from typing import Any

import pytest
from gateway.feeds.redaction import excerpt, lies_within, recognisable, subjects
from hypothesis import given
from hypothesis import strategies as st
from ndx_chassis.ids import new_id
from ndx_contracts import events
from ndx_contracts.agreements import AdminScope
from ndx_contracts.events import BirthRegistered, PersonChanged, PersonDeceased
from ndx_contracts.feeds import BY_TYPE, FED, NOT_FED, OPERATIONS, FedEvent
from ndx_contracts.field_groups import FieldGroup as G

CHILD, MOTHER, FATHER = "079226000017", "079190000011", "079088000012"


def birth() -> dict[str, Any]:
    return BirthRegistered(
        birth_id=new_id(),
        person_id=new_id(),
        personal_id=CHILD,
        mother_personal_id=MOTHER,
        father_personal_id=FATHER,
        registered_at="2026-11-24T02:30:00Z",
        office="X26740",
    ).model_dump(mode="json")


def fed(event: type[events.EventData]) -> FedEvent:
    return BY_TYPE[event.TYPE]


class TestTable:
    def test_every_event_type_is_either_followed_or_has_a_reason_not_to_be(self):
        assert set(events.BY_TYPE) == set(BY_TYPE) | set(NOT_FED)
        assert not set(BY_TYPE) & set(NOT_FED)

    @pytest.mark.parametrize("one", FED, ids=lambda f: f.type)
    def test_each_member_exists_and_nobody_is_named_without_a_group(self, one: FedEvent):
        known = set(one.event.model_fields)
        assert set(one.members) <= known
        assert set(one.people) <= set(one.members)
        assert set(one.place or ()) | ({one.names} - {None}) <= known
        # A member with a personal ID that the table does not list among the people would get no record.
        ids = {name for name in one.members if name.endswith("personal_id") or name == "superseded_by"}
        assert ids == set(one.people)
        # It is about people, or it is one agency's own affair.
        assert bool(one.people) is (one.addressee is None)
        assert {one.addressee} - {None} <= known

    def test_secrets_and_internal_ids_are_in_no_feed(self):
        # A case between registers and a job are what both sides call them by.
        given = {name for one in FED for name in one.members} - {"case_id", "job_id"}
        assert not {n for n in given if n.endswith("_hash") or (n.endswith("_id") and "personal" not in n)}

    def test_operations_are_told_apart(self):
        assert len(OPERATIONS) == 2 * len(FED)


class TestExcerpt:
    def test_only_members_of_agreed_groups_are_given(self):
        found = excerpt(fed(BirthRegistered), birth(), {G.CIVIL_STATUS_RECORD, G.PERSONAL_ID})
        assert found is not None
        assert set(found.data) == {"personal_id", "registered_at"}
        assert found.field_groups == {G.CIVIL_STATUS_RECORD, G.PERSONAL_ID}

    def test_without_the_group_that_the_event_itself_tells_nothing_is_given(self):
        assert excerpt(fed(BirthRegistered), birth(), {G.PERSONAL_ID, G.FAMILY_RELATIONS}) is None

    def test_of_a_change_only_the_agreed_groups_are_named(self):
        changed = PersonChanged(
            person_id=new_id(), personal_id=CHILD, version=2, changed=("religion", "permanent_residence")
        ).model_dump(mode="json")
        found = excerpt(fed(PersonChanged), changed, {G.PERMANENT_RESIDENCE})
        assert found is not None
        assert found.data == {"changed": ["permanent_residence"]}
        assert excerpt(fed(PersonChanged), changed, {G.PERSONAL_ID, G.BIRTH_DATE}) is None

    @given(st.sets(st.sampled_from(list(G))))
    def test_whatever_is_granted_no_more_comes_out(self, granted: set[G]):
        for one in FED:
            data: dict[str, object] = dict.fromkeys(one.event.model_fields, "x")
            if one.names:
                data[one.names] = [g.value for g in G]
            found = excerpt(one, data, granted)
            if found is None:
                continue
            assert found.field_groups <= granted
            assert all(one.members[n] in granted for n in found.data if n != one.names)
            # Once more under the same terms, as at the hand-over, changes nothing.
            assert excerpt(one, found.data, granted) == found


class TestPeople:
    def test_a_relative_counts_only_where_relations_are_agreed_on(self):
        one = fed(BirthRegistered)
        assert recognisable(one, birth(), {G.CIVIL_STATUS_RECORD}) == [CHILD]
        assert recognisable(one, birth(), {G.FAMILY_RELATIONS}) == [CHILD, MOTHER, FATHER]

    def test_everybody_named_and_whom_it_is_about_get_a_record(self):
        one = fed(BirthRegistered)
        assert subjects(one, {"mother_personal_id": MOTHER}, [CHILD]) == sorted([CHILD, MOTHER])


class TestPlace:
    def test_a_place_that_is_not_known_lies_in_no_limited_scope(self):
        died = PersonDeceased(
            person_id=new_id(), personal_id=CHILD, version=2, died_on=date(2026, 11, 20)
        ).model_dump(mode="json")
        hanoi = AdminScope(provinces=("01",))
        assert lies_within(fed(PersonDeceased), died, AdminScope())
        assert not lies_within(fed(PersonDeceased), died, hanoi)
        assert lies_within(fed(PersonDeceased), died | {"province_code": "01"}, hanoi)
        # Both scopes have to cover it.
        narrow = AdminScope(communes=("00004",))
        assert not lies_within(fed(PersonDeceased), died | {"province_code": "01"}, hanoi, narrow)
        # An event without a place is for those who may have the whole country.
        assert not lies_within(fed(BirthRegistered), birth(), hanoi)
