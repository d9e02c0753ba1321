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
    """One column: its name and what it holds; words or a date, unless it says what codes are made of.

    Lengths and sets, no patterns: the database compares them in a fraction of the time, cell by cell.
    """

    name: str
    holds: str
    required: bool = False
    made_of: str = ""
    """The characters of a code of `length`."""
    length: int = 0
    one_of: tuple[str, ...] = ()
    most: int = 500
    """Characters of a cell in words."""


MOST_OF_AN_EMAIL, PHONE_DIGITS = 254, (8, 15)
_DIGITS, _CAPITALS = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


PERSON_COLUMNS: tuple[Column, ...] = (
    Column("personal_id", "12 digits", required=True, made_of=_DIGITS, length=12),
    Column("surname", "họ"),
    Column("middle_name", "chữ đệm, may be several words"),
    Column("given_name", "tên", required=True),
    Column("other_name", "another name"),
    Column("birth_date", "date", required=True),
    Column("sex", "MALE or FEMALE", required=True, one_of=("MALE", "FEMALE")),
    Column("birth_place_code", "5-digit commune code", made_of=_DIGITS, length=5),
    Column("birth_place", "place of birth in words"),
    Column(
        "birth_registration_province_code", "2-digit province code of that day", made_of=_DIGITS, length=2
    ),
    Column("birth_registration_commune_code", "5-digit commune code of that day", made_of=_DIGITS, length=5),
    Column("home_town", "quê quán in words"),
    Column("home_town_province_code", "2-digit province code", made_of=_DIGITS, length=2),
    Column("ethnicity_code", "01 to 55", one_of=tuple(f"{code:02}" for code in range(1, 56))),
    Column("religion", "religion in words, at most 100 characters; sensitive", most=100),
    Column("nationality", "ISO 3166-1 alpha-2; empty = VN", made_of=_CAPITALS, length=2),
    Column(
        "blood_group",
        "A, B, AB or O, with + or - when known; sensitive",
        one_of=tuple(f"{group}{rhesus}" for group in ("A", "B", "AB", "O") for rhesus in ("", "+", "-")),
    ),
    Column("legacy_id_number", "9-digit CMND number", made_of=_DIGITS, length=9),
    Column("permanent_province_code", "2-digit province code of today", made_of=_DIGITS, length=2),
    Column("permanent_commune_code", "5-digit commune code of today", made_of=_DIGITS, length=5),
    Column("permanent_address", "house, street, village"),
    Column("permanent_since", "date of registration there"),
    Column("temporary_province_code", "as permanent", made_of=_DIGITS, length=2),
    Column("temporary_commune_code", "as permanent", made_of=_DIGITS, length=5),
    Column("temporary_address", "as permanent"),
    Column("temporary_since", "date"),
    Column("temporary_until", "date"),
    Column(
        "current_province_code", "where the person lives, when it is another place", made_of=_DIGITS, length=2
    ),
    Column("current_commune_code", "as permanent", made_of=_DIGITS, length=5),
    Column("current_address", "as permanent"),
    Column("absence_from", "date of a declared temporary absence"),
    Column("absence_until", "date"),
    Column("residence_file_number", "number of the residence file"),
    Column(
        "marital_status",
        "SINGLE, MARRIED, DIVORCED or WIDOWED",
        one_of=("SINGLE", "MARRIED", "DIVORCED", "WIDOWED"),
    ),
    Column("household_number", "number of the household; the same for all its members"),
    Column(
        "relation_to_head",
        "HEAD, SPOUSE, CHILD, PARENT, GRANDPARENT, GRANDCHILD, SIBLING or OTHER",
        one_of=("HEAD", "SPOUSE", "CHILD", "PARENT", "GRANDPARENT", "GRANDCHILD", "SIBLING", "OTHER"),
    ),
    Column(
        "life_status",
        "ALIVE (empty = ALIVE), MISSING, DECLARED_DEAD or DECEASED",
        one_of=("ALIVE", "MISSING", "DECLARED_DEAD", "DECEASED"),
    ),
    Column("death_or_missing_date", "date; with every status but ALIVE"),
    Column("phone", "8 to 15 digits, + before them or not"),
    Column("email", "e-mail address, at most 254 characters", most=MOST_OF_AN_EMAIL),
)
"""Columns of the person's own row, in the order of Identity Law 26/2023/QH15, article 9."""

RELATION_COLUMNS: tuple[Column, ...] = (
    Column("mother_personal_id", "12 digits", made_of=_DIGITS, length=12),
    Column("mother_name", "full name, when there is no number"),
    Column("father_personal_id", "12 digits", made_of=_DIGITS, length=12),
    Column("father_name", "full name, when there is no number"),
    Column("spouse_personal_id", "12 digits; each spouse names the other", made_of=_DIGITS, length=12),
)
"""Columns that become rows of `relationships`."""

COLUMNS: tuple[str, ...] = tuple(c.name for c in (*PERSON_COLUMNS, *RELATION_COLUMNS))
"""The header row of a file in the fastest order."""
REQUIRED: frozenset[str] = frozenset(c.name for c in PERSON_COLUMNS if c.required)
