"""Records that are judged together get the verdicts that each gets alone."""

from datetime import date
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ndx_chassis.app import Runtime
from sqlalchemy import text
from svc_population.matching import records
from svc_population.matching.birth_dates import PartialDate
from svc_population.matching.grading import Claimed, MatchZone
from svc_population.matching.repository import Scope

NAMES = ("Trần Thị Hòa", "Trần Hoà", "Nguyễn Văn Lý", "Nguyễn Lí", "Vũ An", "Võ An", "Hòa Trần", "An")
DAYS = ("1990-05-04", "1990-04-05", "1990-01-01", "1991-05-04", "1989-05-04", "1990-05-05", "1992-02-29")
PARTIAL = ("1990", "1990-05", "1990-01")
PLACES = (("79", "26740"), ("01", "00070"))
ALONE = "Phạm Bình"
LEGACY = ("024111222", "024111223")

stated = st.builds(
    Claimed,
    name=st.sampled_from((*NAMES, ALONE, "Lê Nam")),
    birth_date=st.sampled_from(
        [PartialDate.parse(t) for t in (*DAYS, "1990", "1990-05", "1990-01", "2001-09-09")]
    ),
    sex=st.sampled_from((None, "FEMALE", "MALE")),
    legacy_id_number=st.sampled_from((None, None, *LEGACY, "024999999")),
    province_code=st.sampled_from((None, "79", "01")),
    commune_code=st.sampled_from((None, "26740", "00070")),
)
SCOPES = (Scope((), ()), Scope(("79",), ()), Scope((), ("00070",)), Scope(("48",), ()))


async def fill(runtime: Runtime) -> None:
    """Put two people of each name and day there, one in each place; of one name and day too many."""
    rows: list[dict[str, Any]] = []

    def add(name: str, day: str, place: int) -> None:
        first, *middle, last = name.split()
        number = len(rows)
        rows.append(
            {
                "personal_id": f"0791900{number:05d}",
                "surname": first if last != first else None,
                "middle_name": " ".join(middle) or None,
                "given_name": last,
                "birth_date": date.fromisoformat(day),
                "sex": "FEMALE" if number % 2 else "MALE",
                "province": PLACES[place][0],
                "commune": PLACES[place][1],
                "legacy": LEGACY[number % 2] if number % 5 == 0 else None,
            }
        )

    for name in NAMES:
        words = name if " " in name else f"Lê {name}"
        for day in DAYS:
            for place in (0, 1):
                add(words, day, place)
    add(ALONE, DAYS[0], 0)
    for _ in range(records.MOST_WEIGHED + 5):
        add("Đông Tây", "1992-02-29", 0)
    async with runtime.sessions() as session, session.begin():
        await session.execute(
            text(
                "INSERT INTO persons (personal_id, surname, middle_name, given_name, birth_date, sex,"
                " permanent_province_code, permanent_commune_code, legacy_id_number, source)"
                " VALUES (:personal_id, :surname, :middle_name, :given_name, :birth_date, :sex, :province,"
                " :commune, :legacy, 'test')"
            ),
            rows,
        )


class TestJudgedTogether:
    async def test_it_says_of_each_record_what_is_said_of_it_alone(self, runtime: Runtime) -> None:
        await fill(runtime)
        born = PartialDate.parse(DAYS[0])
        each_zone = [
            Claimed(name=ALONE, birth_date=born, commune_code="26740"),
            Claimed(name=ALONE, birth_date=born),
            Claimed(name="Lê Nam", birth_date=born),
        ]
        cases: list[tuple[list[Claimed], Scope]] = [(each_zone, Scope((), ()))]

        @settings(max_examples=40, deadline=None, database=None)
        @given(st.lists(stated, max_size=12), st.sampled_from(SCOPES))
        def collect(claims: list[Claimed], scope: Scope) -> None:
            cases.append((claims, scope))

        collect()
        zones = set()
        async with runtime.sessions() as session:
            for claims, scope in cases:
                together = await records.judged_together(session, dict(enumerate(claims)), scope)
                alone = {n: await records.judged(session, c, scope) for n, c in enumerate(claims)}
                assert together == alone
                zones |= {v.zone for v in alone.values()}
        assert zones == {*MatchZone}

    async def test_more_namesakes_than_can_be_looked_at_are_nobody_for_sure(self, runtime: Runtime) -> None:
        await fill(runtime)
        claimed = Claimed(name="Đông Tây", birth_date=PartialDate.parse("1992-02-29"), commune_code="26740")
        other = Claimed(name="Vũ An", birth_date=PartialDate.parse("1990-05-05"), commune_code="00070")
        async with runtime.sessions() as session:
            found = await records.judged_together(session, {3: claimed, 8: other}, Scope((), ()))
        assert [r.value for r in found[3].reasons] == ["too-many-alike"]
        assert found.keys() == {3, 8}
