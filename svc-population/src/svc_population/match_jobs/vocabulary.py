"""The words of match jobs: states, outcomes of a line, reasons of an end, columns of a file."""

from enum import StrEnum


class JobState(StrEnum):
    UPLOADING = "UPLOADING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    """It was never started, or stood still for too long."""

    @property
    def ended(self) -> bool:
        return self in {JobState.FINISHED, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED}


class FileFormat(StrEnum):
    CSV = "CSV"
    """RFC 4180 in UTF-8 with a header row; a record is one line."""
    NDJSON = "NDJSON"
    PARQUET = "PARQUET"
    """Flat columns of text; the birth date may be a date. Its pages are compressed already."""


class Compression(StrEnum):
    NONE = "NONE"
    GZIP = "GZIP"


class LineOutcome(StrEnum):
    MATCHED = "MATCHED"
    MISMATCH = "MISMATCH"
    AMBIGUOUS = "AMBIGUOUS"
    NOT_FOUND = "NOT_FOUND"
    INVALID = "INVALID"


class FileFault(StrEnum):
    """Why a file as a whole cannot be matched."""

    DIGEST = "file-digest-differs"
    TRUNCATED = "file-truncated"
    BOMB = "file-expands-too-much"
    TOO_LARGE = "file-too-large"
    UNREADABLE = "file-unreadable"
    HEADER = "file-header-wrong"
    ENCODING = "file-encoding-wrong"


class MatchColumn(StrEnum):
    REF = "ref"
    PERSONAL_ID = "personal_id"
    NAME = "name"
    BIRTH_DATE = "birth_date"
    SEX = "sex"
    LEGACY_ID_NUMBER = "legacy_id_number"
    PROVINCE_CODE = "province_code"
    COMMUNE_CODE = "commune_code"
    HOME_TOWN_PROVINCE_CODE = "home_town_province_code"
