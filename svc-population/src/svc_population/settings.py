"""Settings of svc-population, read from `POPULATION_…` variables."""

from pathlib import Path
from typing import ClassVar

from ndx_chassis.app import Runtime
from ndx_chassis.settings import ServiceSettings, settings_for
from pydantic import Field


class Settings(ServiceSettings):
    model_config = settings_for("POPULATION")
    service: ClassVar[str] = "population"

    personal_id_key_file: Path | None = None
    """Secret key of the order in which numbers are given out; at least 16 bytes, never in the database."""
    personal_id_lease: int = Field(default=8, ge=1, le=1000)
    """How many counter values of a prefix a process takes at once, up to eight times as many under load.

    What it does not use when it ends is lost.
    """
    sensitive_key_file: Path | None = None
    """Keys of the sealed columns, see `persons/sealing.py`; without it they are kept in plain text."""
    person_partitions: int = Field(default=16, ge=1, le=256)
    """Hash partitions of the person tables; read once, when the database is created."""
    lookup_lanes: int = Field(default=2, ge=1, le=16)
    """Database connections of the hot read: so many batches are on their way at once."""
    lookup_batch: int = Field(default=256, ge=1, le=5000)
    lookup_queue: int = Field(default=2000, ge=1)
    """Lookups that may wait; more are refused with 503."""
    verify_wrong_guesses: int = Field(default=5, ge=1)
    """Wrong answers about one person that an agency may get within 24 hours."""
    match_misses: int = Field(default=10, ge=1)
    """Records of one surname, given name and birth year, without a number of somebody, of which an agency may
    hear within 24 hours that nobody is like them."""
    match_lines_a_miss: int = Field(default=50_000, ge=1)
    """Lines of a match job's file that allow one such record more: of millions some hundred share a common
    name and year, and of these some are nobody's, without anybody guessing."""
    match_job_folder: Path = Path("match-jobs")
    """Where uploaded files and results of match jobs lie; all processes of the service share it."""
    match_jobs_per_agency: int = Field(default=5, ge=1)
    """Match jobs of one agency that have not ended."""
    match_job_lanes: int = Field(default=3, ge=1, le=16)
    """Slices of match jobs that are in work at once, each with a database connection of its own."""
    match_job_upload_hours: int = Field(default=48, ge=1)
    """How long a file may take to arrive; then it is erased."""
    match_job_stalled_days: int = Field(default=7, ge=1)
    """Days after which a started job that does not go forward is given up and erased."""
    dedupe_folder: Path = Path("dedupe")
    """Where the search for duplicates works; erased at its end. It holds what is compared of everybody."""
    match_job_result_days: int = Field(default=7, ge=1)
    """How long a result can be fetched; then it is erased."""


def settings_of(runtime: Runtime) -> Settings:
    """Return this service's own settings."""
    settings = runtime.settings
    if not isinstance(settings, Settings):
        raise TypeError("the runtime was not built with the population's settings")
    return settings
