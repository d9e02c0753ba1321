"""What the OSIA files let come in; what goes out is written as they say, without a model between."""

from datetime import date
from typing import Annotated, Literal

from ndx_contracts.bodies import Input
from ndx_contracts.personal_ids import mask_all
from pydantic import AfterValidator, Field, StringConstraints

from svc_population.changes.schemas import Reference
from svc_population.osia.vocabulary import Operator, Value
from svc_population.persons.vocabulary import ChangeKind

MOST_ATTRIBUTES = 30
AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Attributes = Annotated[dict[AttributeName, Value], Field(min_length=1, max_length=MOST_ATTRIBUTES)]
"""Attributes and their values; a whole number is one, although the file's `oneOf` takes it for two things."""


def _no_number(transaction: str) -> str:
    if mask_all(transaction) != transaction:
        raise ValueError("a transaction is not named by a personal number")
    return transaction


TransactionId = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_no_number)]
"""It stands in the query string, so it must not hold a personal number."""


class Expression(Input):
    """One comparison, named as in the data access file."""

    attribute_name: AttributeName = Field(alias="attributeName")
    operator: Operator
    value: Value


Expressions = Annotated[list[Expression], Field(min_length=1, max_length=MOST_ATTRIBUTES)]


class ContextIn(Input):
    """What the standard leaves open and a change of this register rests on."""

    kind: ChangeKind
    effective_from: date | None = Field(default=None, alias="effectiveFrom")
    document_type: Reference = Field(alias="documentType")
    document_number: Reference = Field(alias="documentNumber")
    document_issuer: Reference = Field(alias="documentIssuer")
    document_date: date = Field(alias="documentDate")


class IdentityPatchIn(Input):
    """A partial identity (RFC 7396); biometric data, documents and galleries are not held."""

    identity_type: Literal["REGISTER"] | None = Field(default=None, alias="identityType")
    status: Literal["VALID"] | None = None
    biographic_data: Annotated[
        dict[AttributeName, Value | None],
        Field(alias="biographicData", min_length=1, max_length=MOST_ATTRIBUTES),
    ]
    contextual_data: ContextIn = Field(alias="contextualData")


IdentityId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}$")]
"""The number of a version of the record."""
