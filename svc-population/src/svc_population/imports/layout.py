"""The layout of a file of persons for bulk loading: which columns, in which form.

A file is CSV (RFC 4180): UTF-8 (it is kept in composed form, NFC), comma, double quotes where needed, one
header row with the names below. Columns without `required` may be left out; their order is free, but a file
in the order of `COLUMNS` loads fastest. An empty field, quoted or not, means "not known". Dates are ISO 8601
(`2026-11-24`). Codes are text with their leading zeros. One row is one person; parents and the spouse may
stand in the file before or after the person, or not at all.

Places of birth registration and of birth carry the codes of the list in force on the day of the event, so
old provinces and communes for older people; residences carry the codes in force today.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name and what it holds; `form` is the pattern of a code, None: words or a date."""

    name: str
    holds: str
    required: bool = False
    form: str | None = None


MOST_CHARACTERS = 500
"""Of a cell in words."""
_RELATION = "HEAD|SPOUSE|CHILD|PARENT|GRANDPARENT|GRANDCHILD|SIBLING|OTHER"
_STATUS = "ALIVE|MISSING|DECLARED_DEAD|DECEASED"
_NUMBER, _PROVINCE, _COMMUNE = "[0-9]{12}", "[0-9]{2}", "[0-9]{5}"


PERSON_COLUMNS: tuple[Column, ...] = (
    Column("personal_id", "12 digits", required=True),
    Column("surname", "họ"),
    Column("middle_name", "chữ đệm, may be several words"),
    Column("given_name", "tên", required=True),
    Column("other_name", "another name"),
    Column("birth_date", "date", required=True),
    Column("sex", "MALE or FEMALE", required=True),
    Column("birth_place_code", "5-digit commune code", form=_COMMUNE),
    Column("birth_place", "place of birth in words"),
    Column("birth_registration_province_code", "2-digit province code of that day", form=_PROVINCE),
    Column("birth_registration_commune_code", "5-digit commune code of that day", form=_COMMUNE),
    Column("home_town", "quê quán in words"),
    Column("home_town_province_code", "2-digit province code", form=_PROVINCE),
    Column("ethnicity_code", "01 to 55", form="0[1-9]|[1-4][0-9]|5[0-5]"),
    Column("religion", "religion in words; sensitive"),
    Column("nationality", "ISO 3166-1 alpha-2; empty = VN", form="[A-Z]{2}"),
    Column("blood_group", "A, B, AB or O, with + or - when known; sensitive"),
    Column("legacy_id_number", "9-digit CMND number", form="[0-9]{9}"),
    Column("permanent_province_code", "2-digit province code of today", form=_PROVINCE),
    Column("permanent_commune_code", "5-digit commune code of today", form=_COMMUNE),
    Column("permanent_address", "house, street, village"),
    Column("permanent_since", "date of registration there"),
    Column("temporary_province_code", "as permanent", form=_PROVINCE),
    Column("temporary_commune_code", "as permanent", form=_COMMUNE),
    Column("temporary_address", "as permanent"),
    Column("temporary_since", "date"),
    Column("temporary_until", "date"),
    Column("current_province_code", "where the person lives, when it is another place", form=_PROVINCE),
    Column("current_commune_code", "as permanent", form=_COMMUNE),
    Column("current_address", "as permanent"),
    Column("absence_from", "date of a declared temporary absence"),
    Column("absence_until", "date"),
    Column("residence_file_number", "number of the residence file"),
    Column("marital_status", "SINGLE, MARRIED, DIVORCED or WIDOWED", form="SINGLE|MARRIED|DIVORCED|WIDOWED"),
    Column("household_number", "number of the household; the same for all its members"),
    Column(
        "relation_to_head",
        "HEAD, SPOUSE, CHILD, PARENT, GRANDPARENT, GRANDCHILD, SIBLING or OTHER",
        form="HEAD|SPOUSE|CHILD|PARENT|GRANDPARENT|GRANDCHILD|SIBLING|OTHER",
    ),
    Column(
        "life_status",
        "ALIVE (empty = ALIVE), MISSING, DECLARED_DEAD or DECEASED",
        form="ALIVE|MISSING|DECLARED_DEAD|DECEASED",
    ),
    Column("death_or_missing_date", "date; with every status but ALIVE"),
    Column("phone", "mobile number"),
    Column("email", "e-mail address"),
)
"""Columns of the person's own row, in the order of Identity Law 26/2023/QH15, article 9."""

RELATION_COLUMNS: tuple[Column, ...] = (
    Column("mother_personal_id", "12 digits", form=_NUMBER),
    Column("mother_name", "full name, when there is no number"),
    Column("father_personal_id", "12 digits", form=_NUMBER),
    Column("father_name", "full name, when there is no number"),
    Column("spouse_personal_id", "12 digits; each spouse names the other", form=_NUMBER),
)
"""Columns that become rows of `relationships`."""

COLUMNS: tuple[str, ...] = tuple(c.name for c in (*PERSON_COLUMNS, *RELATION_COLUMNS))
"""The header row of a file in the fastest order."""
REQUIRED: frozenset[str] = frozenset(c.name for c in PERSON_COLUMNS if c.required)
