"""Lists of agencies to enrol, as CSV: each line checked by itself, each result one line of a report."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from ndx_contracts.agreements import AgencyClass, AgencyCode, CommuneCode, ProvinceCode, SystemCode
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from ndx_client.errors import NotConfigured

_REQUIRED = ("code", "name", "name_en")
_KNOWN = frozenset({*_REQUIRED, "class", "system", "parent", "province", "commune"})
Name = Annotated[str, StringConstraints(min_length=2, max_length=200)]


class Outcome(StrEnum):
    """What became of a line."""

    ENROLLED = "ENROLLED"
    """A certificate lies in the folder, now or already before."""
    CODE = "CODE"
    """A one-time code lies in the list of codes, to be handed out."""
    ENROLLED_ELSEWHERE = "ENROLLED_ELSEWHERE"
    """The system has a certificate that is not in the folder; nothing was done."""
    WRONG = "WRONG"
    """The line cannot be read; nothing was sent."""
    REFUSED = "REFUSED"
    FAILED = "FAILED"
    """No answer; the same command goes on here."""


FAILURES = frozenset({Outcome.WRONG, Outcome.REFUSED, Outcome.FAILED})


class Wanted(BaseModel):
    """One line: an agency and its system."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: int
    code: AgencyCode
    name: Name
    name_en: Name
    agency_class: AgencyClass
    system: SystemCode
    parent: AgencyCode | None = None
    province_code: ProvinceCode | None = None
    commune_code: CommuneCode | None = None

    @property
    def key(self) -> str:
        return f"{self.code}:{self.system}"

    def request(self, *, renew: bool) -> dict[str, Any]:
        agency = self.model_dump(mode="json", exclude={"line", "system"})
        return {"agency": agency, "system": self.system, "renew": renew}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report."""

    line: int
    code: str
    system: str
    outcome: Outcome
    detail: str = ""
    serial: str = ""
    not_after: str = ""


def read_list(file: Path, agency_class: str | None, system: str) -> Iterator[Wanted | Row]:
    """Return each line as what is wanted, or as a row that says what is wrong with it.

    Columns: code, name, name_en; and where they differ from what the command says, class and system; and
    parent, province, commune. The file is UTF-8, with or without a byte-order mark.

    Raises:
        NotConfigured: the file as a whole cannot be read.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = csv.DictReader(opened, restkey="*", strict=True)
            missing = [c for c in _REQUIRED if c not in (rows.fieldnames or ())]
            unknown = sorted(set(rows.fieldnames or ()) - _KNOWN)
            if missing or unknown:
                what = f"misses {', '.join(missing)}" if missing else f"has unknown {', '.join(unknown)}"
                raise NotConfigured(f"The first line {what}.", f"Columns are {', '.join(sorted(_KNOWN))}.")
            yield from _lines(rows, agency_class, system)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise NotConfigured(f"The list cannot be read: {error}.", "Save it as CSV in UTF-8.") from None


def _lines(rows: "csv.DictReader[str]", agency_class: str | None, system: str) -> Iterator[Wanted | Row]:
    seen: dict[str, int] = {}
    for row in rows:
        line = rows.line_num
        given = {k: (v or "").strip() or None for k, v in row.items() if k != "*"}
        code, own = given.get("code") or "", given.get("system") or system
        if "*" in row or None in row.values():
            yield Row(line, code, own, Outcome.WRONG, "the line has another number of columns than the first")
            continue
        try:
            wanted = Wanted(
                line=line,
                code=code,
                name=given["name"] or "",
                name_en=given["name_en"] or "",
                agency_class=(given.get("class") or agency_class or "").upper(),
                system=own,
                parent=given.get("parent"),
                province_code=given.get("province"),
                commune_code=given.get("commune"),
            )
        except ValidationError as error:
            yield Row(line, code, own, Outcome.WRONG, _words(error))
            continue
        first = seen.setdefault(wanted.key, line)
        if first != line:
            yield Row(line, code, own, Outcome.WRONG, f"the same system is in line {first}")
        else:
            yield wanted


def _words(error: ValidationError) -> str:
    return "; ".join(f"{e['loc'][0] if e['loc'] else 'line'}: {e['msg']}" for e in error.errors())


def write_report(file: Path, rows: Iterable[Row]) -> None:
    """Write all rows in the order of the list, whole or not at all."""
    fresh = file.with_name(file.name + ".new")
    with fresh.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, [f.name for f in fields(Row)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in sorted(rows, key=lambda row: row.line))
    fresh.replace(file)
