"""The data of a birth certificate (Civil Status Law 60/2014/QH13, article 14)."""

from datetime import date

from ndx_contracts.agreements import AgencyCode
from ndx_contracts.bodies import Output
from ndx_contracts.personal_ids import PersonalId
from ndx_contracts.population import Sex

from svc_civil_registry.books.schemas import RegisterNumber


class CertifiedParent(Output):
    name: str
    personal_id: PersonalId | None
    birth_year: int | None
    ethnicity: str | None
    nationality: str
    residence: str | None


class BirthCertificate(Output):
    """Everything that the paper shows; the document itself is made and signed from it."""

    register_number: RegisterNumber
    office: AgencyCode
    office_name: str
    registered_on: date
    personal_id: PersonalId
    full_name: str
    sex: Sex
    birth_date: date
    birth_date_in_words: str
    birth_place: str
    home_town: str
    ethnicity: str
    nationality: str
    mother: CertifiedParent | None
    father: CertifiedParent | None
    declarant_name: str
    declarant_relation: str
