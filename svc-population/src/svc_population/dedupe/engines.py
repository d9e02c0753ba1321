"""Compares people with one model on one of two engines: DuckDB in this process, or Spark on a cluster.

Both read the same file and write the same files, part by part; what else they need on the disk is scratch.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import duckdb
from splink import DuckDBAPI, Linker
from splink.internals.exceptions import EMTrainingException

from svc_population.dedupe.errors import RunCancelled
from svc_population.dedupe.model import Model
from svc_population.dedupe.vocabulary import EngineName, Zone
from svc_population.dedupe.workspace import Workspace, whole
from svc_population.dedupe.zones import Levels, sorted_by

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PEOPLE_AT_ONCE = 5_000_000
"""DuckDB compares so many with so many others in one go: what bounds its work files."""
SAMPLED_PAIRS = 20_000_000
LEARNED_FROM = (
    "l.legacy_number = r.legacy_number",
    "l.phone = r.phone and l.birth_year = r.birth_year",
)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records, the smaller number first, and how the model sees them."""

    one: str
    other: str
    weight: float
    """log2 of the odds that they are one person."""
    levels: Levels
    zone: Zone
    rule: str
    """Which rule of the model put it into its zone."""


class Engine(Protocol):
    """Compares those in the work folder's file of people, a part at a time."""

    def parts(self, persons: int) -> int:
        """Return in how many parts so many are compared; the same each time."""

    def compare(self, model: Model, part: int, persons: int) -> None:
        """Write a part's pairs down.

        Raises:
            RunCancelled: it was stopped.
        """

    def stop(self) -> None:
        """Let what is being compared end at once; called from another thread."""

    def close(self) -> None: ...


class DuckDb:
    """The embedded engine: one process with as much memory as it is given; more goes to the work folder."""

    def __init__(self, workspace: Workspace, *, memory: str, threads: int) -> None:
        self._workspace = workspace
        scratch = workspace.scratch
        self._connection = duckdb.connect(str(scratch / "work.duckdb"))
        for name, value in (
            ("memory_limit", memory),
            ("threads", str(threads)),
            ("temp_directory", str(scratch / "spilled")),
            ("preserve_insertion_order", "false"),
            ("enable_progress_bar", "false"),
        ):
            self._connection.execute(f"SET {name} = '{value}'").fetchall()
        self._linker: Linker | None = None

    def parts(self, persons: int) -> int:
        return (-(-persons // PEOPLE_AT_ONCE)) ** 2

    def compare(self, model: Model, part: int, persons: int) -> None:
        chunks = -(-persons // PEOPLE_AT_ONCE)
        left, right = divmod(part - 1, chunks)
        try:
            found = self._opened(model, persons).inference.predict_chunk(
                (left + 1, chunks),
                (right + 1, chunks),
                threshold_match_weight=model.least_weight,
                warning_mode="never",
            )
            query = _SORTED.format(columns=", ".join(_written(model)), table=found.physical_name)
            with whole(self._workspace.pairs(part)) as path:
                self._connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)").fetchall()
            found.drop_table_from_database_and_remove_from_cache()
        except duckdb.InterruptException:
            raise RunCancelled from None

    def sampled(
        self, model: Model, persons: int, *, pairs: int = SAMPLED_PAIRS
    ) -> dict[str, dict[str, float]]:
        """Return how often two strangers stand on each level of each comparison, in random pairs."""
        linker = self._opened(model, persons)
        linker.training.estimate_u_using_random_sampling(max_pairs=pairs, seed=1)
        return probabilities(linker, "u_probability")

    def learned(self, model: Model, persons: int) -> dict[str, dict[str, float]]:
        """Return how often two records of one person stand on each level, by EM after `sampled`.

        It looks only at pairs that share a number: among others it would learn what families and twins share.
        """
        linker = self._opened(model, persons)
        for rule in LEARNED_FROM:
            # No pair shares such a number: what was known before stays.
            with suppress(EMTrainingException):
                linker.training.estimate_parameters_using_expectation_maximisation(rule)
        return probabilities(linker, "m_probability")

    def _opened(self, model: Model, persons: int) -> Linker:
        if self._linker is None:
            file = self._workspace.people
            self._connection.execute(f"CREATE VIEW people AS FROM read_parquet('{file}')").fetchall()
            self._linker = _linker(DuckDBAPI(self._connection), "people", model.settings_for(persons))
        return self._linker

    def stop(self) -> None:
        self._connection.interrupt()

    def close(self) -> None:
        self._connection.close()


class Spark:
    """The distributed engine: all its machines must see the work folder."""

    def __init__(self, workspace: Workspace, *, master: str) -> None:
        self._workspace = workspace
        self._session = _spark_session(workspace.scratch, master)
        self._stopped = False

    def parts(self, persons: int) -> int:
        return 1 if persons else 0

    def compare(self, model: Model, part: int, persons: int) -> None:
        from splink import SparkAPI

        self._session.read.parquet(str(self._workspace.people)).createOrReplaceTempView("people")
        api = SparkAPI(  # type: ignore[no-untyped-call]  # the library left it without types
            spark_session=self._session, break_lineage_method="persist", register_udfs_automatically=False
        )
        linker = _linker(api, "people", model.settings_for(persons))
        try:
            found = linker.inference.predict(threshold_match_weight=model.least_weight, warning_mode="never")
            query = _SORTED.format(columns=", ".join(_written(model)), table=found.physical_name)
            written = self._workspace.scratch / "pairs"
            self._session.sql(query).coalesce(1).write.parquet(str(written))
        except Exception:  # whatever Spark says of jobs that were cancelled
            if self._stopped:
                raise RunCancelled from None
            raise
        (file,) = written.glob("part-*.parquet")
        with whole(self._workspace.pairs(part)) as path:
            file.rename(path)

    def stop(self) -> None:
        self._stopped = True
        self._session.sparkContext.cancelAllJobs()

    def close(self) -> None:
        self._session.stop()


_SORTED = """
SELECT least(unique_id_l, unique_id_r) AS one, greatest(unique_id_l, unique_id_r) AS other,
    match_weight AS weight, {columns}
FROM {table} ORDER BY one, other
"""
"""An order of its own gives each pair its place, which a run that goes on counts from."""


def open_engine(name: EngineName, workspace: Workspace, *, memory: str, threads: int, master: str) -> Engine:
    """Start an engine that works in the folder."""
    if name is EngineName.SPARK:
        return Spark(workspace, master=master)
    return DuckDb(workspace, memory=memory, threads=threads)


def pairs_of(model: Model, rows: Iterable[Mapping[str, Any]]) -> Iterator[Pair | None]:
    """Yield each written pair with its zone, None for one in the zone NO, so that places stay counted."""
    names = tuple(model.labels())
    for row in rows:
        levels = model.levels_of({name: row[f"gamma_{name}"] for name in names})
        weight = float(row["weight"])
        zone, rule = sorted_by(model.zones, _probability(weight), levels)
        yield None if zone is Zone.NO else Pair(row["one"], row["other"], weight, levels, zone, rule)


def probabilities(linker: Linker, kind: str) -> dict[str, dict[str, float]]:
    """Return the m or u of each comparison's levels, as the library has them now."""
    found = linker.misc.save_model_to_json()
    return {
        comparison["output_column_name"]: {
            level["label_for_charts"]: float(level[kind])
            for level in comparison["comparison_levels"]
            if isinstance(level.get(kind), float)
        }
        for comparison in found["comparisons"]
    }


def _spark_session(scratch: Path, master: str) -> "SparkSession":
    from pyspark.sql import SparkSession

    os.environ.setdefault("SPARK_LOCAL_DIRS", str(scratch / "spilled"))
    return (
        SparkSession.builder.appName("ndx-dedupe")
        .master(master)
        .config("spark.ui.enabled", "false")
        .config("spark.sql.warehouse.dir", str(scratch / "warehouse"))
        .getOrCreate()
    )


def _linker(api: Any, table: str, settings: dict[str, Any]) -> Linker:
    return Linker(api.register(table), settings, log_level=None, validate_settings=False)


def _written(model: Model) -> list[str]:
    return [f"gamma_{name}" for name in model.labels()]


def _probability(weight: float) -> float:
    return 1 / (1 + 2.0**-weight) if weight > -1000 else 0.0  # noqa: PLR2004 - no overflow
