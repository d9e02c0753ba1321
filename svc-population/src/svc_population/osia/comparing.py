"""Use cases of data access: match values, evaluate expressions; recorded, and not open to guessing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson
from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose
from ndx_contracts.disclosure import Outcome
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.osia.attributes import Attribute, attributes, groups_of, known
from svc_population.osia.errors import OsiaRefused
from svc_population.osia.schemas import Expression
from svc_population.osia.vocabulary import Operator, OsiaCode, Value
from svc_population.persons import service as persons
from svc_population.persons import verification
from svc_population.persons.field_groups import COLUMNS, answer
from svc_population.settings import settings_of

DOES_NOT_EXIST, DIFFERS = 0, 1
"""Error numbers of a match, as the data access file has them."""


@dataclass(frozen=True, slots=True)
class Question:
    """One attribute with what is asked about it."""

    attribute: Attribute
    operator: Operator
    stated: str

    @property
    def bound(self) -> date | None:
        return self.attribute.bound(self.operator, self.stated)


async def match(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    uin: str,
    values: Mapping[str, Value],
) -> list[dict[str, Any]]:
    """Return the attributes that differ, or that the registry does not have; an empty list is a match.

    Raises:
        OsiaRefused: an attribute cannot be compared, or a value is none of it.
        FieldGroupNotCovered, PersonNotFound, TooManyWrongGuesses: as in any verification.
    """
    questions = [_question(a, Operator.EQUAL, values[a.name]) for a in known(values)]
    answers = dict(
        zip(
            (q.attribute.name for q in questions),
            await _answers(session, runtime, caller=caller, grant=grant, uin=uin, questions=questions),
            strict=True,
        )
    )
    return [
        {"attributeName": name, "errorCode": DIFFERS if name in answers else DOES_NOT_EXIST}
        for name in values
        if not answers.get(name)
    ]


async def verify(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    uin: str,
    expressions: Sequence[Expression],
) -> bool:
    """Tell whether all expressions are true.

    Raises:
        OsiaRefused: an attribute is unknown, has no order, or is asked about twice in one way.
        FieldGroupNotCovered, PersonNotFound, TooManyWrongGuesses: as in any verification.
    """
    table = attributes()
    if len({(e.attribute_name, e.operator) for e in expressions}) < len(expressions):
        # Two values for one attribute in one call would be a guess with a second try.
        raise OsiaRefused(OsiaCode.REPEATED, "an attribute stands twice with one operator")
    if any(e.attribute_name not in table for e in expressions):
        raise OsiaRefused(OsiaCode.UNKNOWN_ATTRIBUTE, "Unknown attribute name")
    questions = [_question(table[e.attribute_name], e.operator, e.value) for e in expressions]
    return all(await _answers(session, runtime, caller=caller, grant=grant, uin=uin, questions=questions))


def _question(attribute: Attribute, operator: Operator, value: Value) -> Question:
    if not attribute.comparable:
        raise OsiaRefused(OsiaCode.NOT_COMPARABLE, f"{attribute.name} is read, never compared")
    question = Question(attribute, operator, attribute.stated(value))
    _ = question.bound  # an order that the attribute does not have is refused before anything is read
    return question


async def _answers(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    uin: str,
    questions: Sequence[Question],
) -> list[bool]:
    groups = groups_of(q.attribute for q in questions)
    grant.require_field_groups(groups)
    person = await persons.within(
        session, runtime, caller=caller, grant=grant, personal_id=uin, field_groups=groups, lock=False
    )
    guard = await verification.guesses_left(
        session,
        agency=caller.agency,
        personal_id=person.personal_id,
        most=settings_of(runtime).verify_wrong_guesses,
    )
    row = await persons.columns(session, person, [c for group in groups for c in COLUMNS[group]])
    present = orjson.loads(answer(row, groups))
    answers = [q.attribute.holds(q.operator, q.stated, q.attribute.value(present)) for q in questions]
    bounds = [q.bound for q in questions]
    await verification.count_answers(session, guard, list(zip(answers, bounds, strict=True)))
    await disclose(
        session,
        caller,
        grant=grant,
        subjects=[person.personal_id],
        field_groups=groups,
        outcome=Outcome.MATCHED if all(answers) else Outcome.NOT_MATCHED,
    )
    return answers
