"""The commune registers a birth; the number comes back at once."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import uuid4

from ndx_demo.population.cast import Person
from ndx_demo.walk.family import Family
from ndx_demo.walk.steps import Walk, mask

COMMUNE = "X26740"
ONE_STOP = f"{COMMUNE}/one-stop"
BIRTHS = "/civil-registry/v1/births"


@dataclass(frozen=True, slots=True)
class Child:
    """The child as later steps ask about it."""

    personal_id: str
    name: str
    born: date


def birth_of(
    *,
    given: str,
    sex: str,
    born: date,
    mother: tuple[str, str] | None,
    father: tuple[str, str] | None,
    surname: str = "Nguyễn",
) -> dict[str, Any]:
    """Return a declaration; a parent is (personal ID, name), the number empty when there is none."""

    def parent(who: tuple[str, str] | None) -> dict[str, Any] | None:
        if who is None:
            return None
        return {"personal_id": who[0] or None, "name": who[1], "ethnicity_code": "01", "nationality": "VN"}

    return {
        "office": COMMUNE,
        "child": {
            "surname": surname,
            "middle_name": "Minh",
            "given_name": given,
            "sex": sex,
            "birth_date": born.isoformat(),
            "birth_place_code": "26740",
            "birth_place": "Bệnh viện Đa khoa Minh Họa",
            "home_town": "Phường Sài Gòn, Thành phố Hồ Chí Minh",
            "home_town_province_code": "79",
            "ethnicity_code": "01",
            "nationality": "VN",
        },
        "mother": parent(mother),
        "father": parent(father),
        "declarant": {"name": "Người khai minh họa", "relation": "FATHER" if father else "RELATIVE"},
        "evidence": {"kind": "BIRTH_NOTICE", "number": f"GCS-{uuid4().hex[:10]}"},
    }


def _declaration(family: Family) -> dict[str, Any]:
    mother, father = family.couple.mother, family.couple.father
    body = birth_of(
        given=family.given_name,
        sex="FEMALE",
        born=family.born,
        mother=(mother.personal_id, mother.full_name),
        father=(father.personal_id, father.full_name),
        surname=father.surname,
    )
    for role, who in (("mother", mother), ("father", father)):
        body[role] |= {
            "birth_year": who.birth_date.year,
            "ethnicity_code": who.ethnicity_code,
            "residence": who.residence,
        }
    body["declarant"] = _declarant(father)
    return body


def _declarant(father: Person) -> dict[str, Any]:
    return {"name": father.full_name, "relation": "FATHER", "personal_id": father.personal_id}


def register(walk: Walk, family: Family) -> Child:
    """Declare and register the birth as one trace; the certificate can be printed."""
    result, commune = walk.result, walk.door(ONE_STOP)
    result.trace_id = uuid4().hex
    body = _declaration(family)
    birth = walk.step(
        "The commune registers a birth",
        f"POST {BIRTHS}",
        lambda: commune.post(
            BIRTHS,
            body,
            purpose="CIVIL_REGISTRATION",
            key=f"walk-{walk.run_id}",
            traceparent=f"00-{result.trace_id}-{uuid4().hex[:16]}-01",
        ),
        expect=201,
        outcome=lambda b: f"{b['status']}, number {mask(b.get('personal_id'))}",
        look=f"{walk.context.trace_url}traces/{result.trace_id}",
    )
    result.child_personal_id, result.birth_id = str(birth["personal_id"]), str(birth["birth_id"])
    walk.step(
        "The certificate can be printed",
        f"GET {BIRTHS}/{{birth_id}}/certificate",
        lambda: commune.get(f"{BIRTHS}/{result.birth_id}/certificate", purpose="CIVIL_REGISTRATION"),
        expect=200,
        outcome=lambda _: "certificate data of the registered birth",
    )
    return Child(result.child_personal_id, family.child_name, family.born)
