"""What an agency says about its file, and what it is told about the job."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from ndx_contracts.bodies import Input, Output
from ndx_contracts.field_groups import FieldGroup
from pydantic import Field, StringConstraints, model_validator

from svc_population.match_jobs.vocabulary import Compression, FileFormat, JobState, MatchColumn

GROUP_OF_COLUMN: dict[MatchColumn, FieldGroup] = {
    MatchColumn.PERSONAL_ID: FieldGroup.PERSONAL_ID,
    MatchColumn.NAME: FieldGroup.BIRTH_NAME,
    MatchColumn.BIRTH_DATE: FieldGroup.BIRTH_DATE,
    MatchColumn.SEX: FieldGroup.SEX,
    MatchColumn.LEGACY_ID_NUMBER: FieldGroup.LEGACY_ID_NUMBER,
    MatchColumn.PROVINCE_CODE: FieldGroup.PERMANENT_RESIDENCE,
    MatchColumn.COMMUNE_CODE: FieldGroup.PERMANENT_RESIDENCE,
    MatchColumn.HOME_TOWN_PROVINCE_CODE: FieldGroup.HOME_TOWN,
}
_DISPUTABLE = frozenset(
    {MatchColumn.NAME, MatchColumn.BIRTH_DATE, MatchColumn.SEX, MatchColumn.LEGACY_ID_NUMBER}
)
MOST_BYTES = 4 * 1024**3
MOST_PARTS = 20_000


class MatchJobIn(Input):
    """A file that will be uploaded: its form, size and digest."""

    format: FileFormat
    compression: Compression = Compression.NONE
    columns: Annotated[tuple[MatchColumn, ...], Field(min_length=2)]
    """The header row of a CSV file; the members that objects of an NDJSON file may have."""
    bytes: int = Field(ge=1, le=MOST_BYTES)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    opens_cases: bool = False
    """Whether mismatches become reconciliation cases; the agreement has to cover opening them."""

    @model_validator(mode="after")
    def _usable_columns(self) -> "MatchJobIn":
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("a column stands twice")
        if self.format is FileFormat.PARQUET and self.compression is not Compression.NONE:
            raise ValueError("a Parquet file is compressed in itself: NONE")
        if missing := {MatchColumn.NAME, MatchColumn.BIRTH_DATE} - set(self.columns):
            raise ValueError(f"missing: {', '.join(sorted(missing))}")
        return self

    @property
    def field_groups(self) -> frozenset[FieldGroup]:
        """Return the groups that the result tells something about."""
        stated = {GROUP_OF_COLUMN[c] for c in self.columns if c is not MatchColumn.REF}
        return frozenset(stated | {FieldGroup.PERSONAL_ID})

    @property
    def disputable(self) -> frozenset[FieldGroup]:
        """Return the groups about which cases can come of it."""
        return frozenset(GROUP_OF_COLUMN[c] for c in self.columns if c in _DISPUTABLE)


class PartOut(Output):
    number: int
    bytes: int
    sha256: str


class LineCountsOut(Output):
    lines: int
    matched: int
    mismatch: int
    ambiguous: int
    not_found: int
    invalid: int


class CaseCountsOut(Output):
    """How many reconciliation cases came of mismatches, and how many differences were a case already."""

    opened: int
    known: int


class MatchJobOut(Output):
    """A job: where it stands, what is missing of its file, and how much of the result is there."""

    id: UUID
    state: JobState
    waiting_for: str | None
    """Why it does not go on at the moment."""
    fault: str | None
    """Why it FAILED."""
    bytes: int
    bytes_uploaded: int
    parts: int
    """How many parts have arrived."""
    missing_parts: tuple[int, ...]
    """Up to a hundred numbers below the last one that has arrived."""
    counts: LineCountsOut
    opens_cases: bool
    cases: CaseCountsOut
    result_parts: int
    created_at: datetime
    ended_at: datetime | None
    expires_at: datetime
