"""Use case of numbers: a person's attributes in, a personal number out, once per transaction of an agency."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller
from ndx_contracts.population import PersonalIdRequestIn, PersonalIdRequestState
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.osia.attributes import GENDERS, attributes
from svc_population.osia.errors import OsiaRefused, body
from svc_population.osia.vocabulary import OsiaCode, Value
from svc_population.personal_ids import service as personal_ids

_TRANSACTIONS = UUID("6f1e3c0a-6f3b-5a0e-9d0c-2f6f1b7d4a11")
"""Name space of transactions: an agency's request id follows from the transaction's."""
_PARENTS = {"mother": ("motherUin", "motherName"), "father": ("fatherUin", "fatherName")}
_OFFICE = "office"
_MORE = frozenset({_OFFICE, *(name for names in _PARENTS.values() for name in names)})
_SEX = {number: sex for sex, number in GENDERS.items()}
_SAID = {
    PersonalIdRequestState.DUPLICATE_SUSPECTED: OsiaCode.DUPLICATE_SUSPECTED,
    PersonalIdRequestState.REJECTED: OsiaCode.REQUEST_REJECTED,
}


async def generate(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    transaction: str,
    values: Mapping[str, Value],
) -> tuple[str | None, dict[str, Any] | None]:
    """Return the number, or the error body that says why there is none; both are kept for the transaction.

    Raises:
        OsiaRefused: the attributes are no request for a number.
        RequestIdReused, OutsideAdminScope: as in any request for a number.
    """
    request = _request(transaction, caller.agency, values)
    answer = await personal_ids.request_number(session, runtime, caller=caller, grant=grant, body=request)
    if answer.personal_id is not None:
        return answer.personal_id, None
    number = _SAID.get(answer.state, OsiaCode.INTERNAL)
    return None, body(number, ", ".join([answer.state.value, *answer.reasons]))


def _request(transaction: str, agency: str, values: Mapping[str, Value]) -> PersonalIdRequestIn:
    table = attributes()
    stated: dict[str, Any] = {
        "request_id": uuid5(_TRANSACTIONS, transaction),
        "office": values.get(_OFFICE, agency),
    }
    for name, value in values.items():
        if name in _MORE or name == "firstName":
            continue
        if name not in table:
            raise OsiaRefused(OsiaCode.UNKNOWN_ATTRIBUTE, "Unknown attribute name")
        member = table[name].request_member
        if member is None:
            raise OsiaRefused(OsiaCode.NOT_COMPARABLE, f"{name} is not part of a request for a number")
        plain = table[name].stated(value)
        stated[member] = _SEX.get(plain) if name == "gender" else plain
    *middle, given = str(values.get("firstName", "")).split() or [""]
    stated |= {"given_name": given, "middle_name": " ".join(middle) or None}
    for parent, (uin, name) in _PARENTS.items():
        if uin in values or name in values:
            stated[parent] = {"personal_id": values.get(uin), "name": values.get(name)}
    try:
        return PersonalIdRequestIn.model_validate(stated)
    except ValidationError as error:
        # The names of our members, never what was sent.
        wrong = sorted({str(e["loc"][0]) for e in error.errors()})
        raise OsiaRefused(OsiaCode.INVALID, f"Missing or not valid: {', '.join(wrong)}") from None
