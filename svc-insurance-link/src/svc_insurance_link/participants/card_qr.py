"""The QR of an identity card: seven fields between bars, a claim that the register must confirm."""

import re
from dataclasses import dataclass
from datetime import date

_PERSONAL_ID = re.compile(r"[0-9]{12}")
_DATE = re.compile(r"([0-9]{2})/?([0-9]{2})/?([0-9]{4})")
_FIELDS = 7
_ID, _NAME, _BIRTH_DATE = 0, 2, 3


class CardQrUnreadable(ValueError):
    """The text is not the QR of an identity card. Says nothing of its content."""


@dataclass(frozen=True, slots=True)
class CardQr:
    """What a check needs of the card; residence and the old number are not kept."""

    personal_id: str
    name: str
    birth_date: date


def parse_card_qr(text: str) -> CardQr:
    """Read `id|old number|name|ddMMyyyy|Nam or Nữ|residence|ddMMyyyy` of the cards of 2021 and 2024.

    The card of 2024 may carry further fields; they are ignored. Scanners that write dd/MM/yyyy are
    accepted.

    Raises:
        CardQrUnreadable: a field is missing or malformed.
    """
    fields = [part.strip() for part in text.split("|")]
    if len(fields) < _FIELDS:
        raise CardQrUnreadable("fewer than seven fields")
    if not _PERSONAL_ID.fullmatch(fields[_ID]):
        raise CardQrUnreadable("the first field is not a personal number")
    name = " ".join(fields[_NAME].split())
    if not name:
        raise CardQrUnreadable("the name is empty")
    return CardQr(fields[_ID], name, _date(fields[_BIRTH_DATE]))


def _date(text: str) -> date:
    found = _DATE.fullmatch(text)
    if found is None:
        raise CardQrUnreadable("the birth date is malformed")
    day, month, year = (int(part) for part in found.groups())
    try:
        return date(year, month, day)
    except ValueError:
        raise CardQrUnreadable("the birth date does not exist") from None
