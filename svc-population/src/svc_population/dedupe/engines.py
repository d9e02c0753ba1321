"""Compares people with one model on one of two engines: DuckDB in this process, or Spark on a cluster."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import duckdb
import pyarrow as pa
from pyarrow import parquet
from splink import DuckDBAPI, Linker

from svc_population.dedupe.model import Model
from svc_population.dedupe.vocabulary import EngineName, Zone
from svc_population.dedupe.zones import Levels, zone_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PEOPLE_AT_ONCE = 5_000_000
"""DuckDB compares so many with so many others in one go: what bounds its work files."""
SAMPLED_PAIRS = 20_000_000
_FETCHED = 10_000


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records, the smaller number first, and how the model sees them."""

    one: str
    other: str
    weight: float
    """log2 of the odds that they are one person."""
    levels: Levels
    zone: Zone


class Engine(Protocol):
    """Takes people, then gives the pairs that are worth a look."""

    def take(self, people: pa.RecordBatchReader) -> int:
        """Store the people; return how many."""

    def pairs(self, model: Model) -> Iterator[Pair]:
        """Give each pair of the zones SURE and REVIEW once."""

    def close(self) -> None: ...


class DuckDb:
    """The embedded engine: one process with as much memory as it is given; more goes to the work folder."""

    def __init__(self, folder: Path, *, memory: str, threads: int) -> None:
        self._connection = duckdb.connect(str(folder / "work.duckdb"))
        for name, value in (
            ("memory_limit", memory),
            ("threads", str(threads)),
            ("temp_directory", str(folder / "spilled")),
            ("preserve_insertion_order", "false"),
            ("enable_progress_bar", "false"),
        ):
            self._connection.execute(f"SET {name} = '{value}'").fetchall()
        self._people = 0

    def take(self, people: pa.RecordBatchReader) -> int:
        self._connection.register("arriving", people)
        made = self._connection.execute("CREATE TABLE people AS SELECT * FROM arriving").fetchall()
        self._connection.unregister("arriving")
        self._people = int(made[0][0])
        return self._people

    def pairs(self, model: Model) -> Iterator[Pair]:
        linker = self._linker(model)
        parts = -(-self._people // PEOPLE_AT_ONCE)
        for left in range(1, parts + 1):
            for right in range(1, parts + 1):
                found = linker.inference.predict_chunk(
                    (left, parts),
                    (right, parts),
                    threshold_match_weight=model.least_weight,
                    warning_mode="never",
                )
                yield from _sorted(model, self._rows(f"SELECT * FROM {found.physical_name}"))  # noqa: S608 - Splink's own name
                found.drop_table_from_database_and_remove_from_cache()

    def sampled(self, model: Model, *, pairs: int = SAMPLED_PAIRS) -> dict[str, dict[str, float]]:
        """Return how often two strangers stand on each level of each comparison, in random pairs."""
        linker = self._linker(model)
        linker.training.estimate_u_using_random_sampling(max_pairs=pairs, seed=1)
        found = linker.misc.save_model_to_json()
        return {
            comparison["output_column_name"]: {
                level["label_for_charts"]: float(level["u_probability"])
                for level in comparison["comparison_levels"]
                if isinstance(level.get("u_probability"), float)
            }
            for comparison in found["comparisons"]
        }

    def _linker(self, model: Model) -> Linker:
        return _linker(DuckDBAPI(self._connection), "people", model.settings_for(self._people))

    def _rows(self, query: str) -> Iterator[dict[str, Any]]:
        result = self._connection.cursor().execute(query)
        names = [column[0] for column in result.description or ()]
        while rows := result.fetchmany(_FETCHED):
            for row in rows:
                yield dict(zip(names, row, strict=True))

    def close(self) -> None:
        self._connection.close()


class Spark:
    """The distributed engine: people go to Parquet in the work folder, which all its machines must see."""

    def __init__(self, folder: Path, *, master: str) -> None:
        self._folder = folder
        self._session = _spark_session(folder, master)
        self._people = 0

    def take(self, people: pa.RecordBatchReader) -> int:
        with parquet.ParquetWriter(self._folder / "people.parquet", people.schema) as writer:
            for batch in people:
                writer.write_batch(batch)
                self._people += batch.num_rows
        return self._people

    def pairs(self, model: Model) -> Iterator[Pair]:
        from splink import SparkAPI

        self._session.read.parquet(str(self._folder / "people.parquet")).createOrReplaceTempView("people")
        api = SparkAPI(  # type: ignore[no-untyped-call]  # the library left it without types
            spark_session=self._session, break_lineage_method="persist", register_udfs_automatically=False
        )
        linker = _linker(api, "people", model.settings_for(self._people))
        found = linker.inference.predict(threshold_match_weight=model.least_weight, warning_mode="never")
        rows = found.as_spark_dataframe().toLocalIterator(prefetchPartitions=True)
        yield from _sorted(model, (row.asDict() for row in rows))

    def close(self) -> None:
        self._session.stop()


def open_engine(name: EngineName, folder: Path, *, memory: str, threads: int, master: str) -> Engine:
    """Start an engine whose work files lie in the folder."""
    if name is EngineName.SPARK:
        return Spark(folder, master=master)
    return DuckDb(folder, memory=memory, threads=threads)


def _spark_session(folder: Path, master: str) -> "SparkSession":
    from pyspark.sql import SparkSession

    os.environ.setdefault("SPARK_LOCAL_DIRS", str(folder / "spilled"))
    return (
        SparkSession.builder.appName("ndx-dedupe")
        .master(master)
        .config("spark.ui.enabled", "false")
        .config("spark.sql.warehouse.dir", str(folder / "warehouse"))
        .getOrCreate()
    )


def _linker(api: Any, table: str, settings: dict[str, Any]) -> Linker:
    return Linker(api.register(table), settings, log_level=None, validate_settings=False)


def _sorted(model: Model, rows: Iterator[dict[str, Any]]) -> Iterator[Pair]:
    names = tuple(model.labels())
    for row in rows:
        levels = model.levels_of({name: row[f"gamma_{name}"] for name in names})
        weight = float(row["match_weight"])
        zone = zone_of(model.zones, _probability(weight), levels)
        if zone is not Zone.NO:
            one, other = sorted((row["unique_id_l"], row["unique_id_r"]))
            yield Pair(one, other, weight, levels, zone)


def _probability(weight: float) -> float:
    return 1 / (1 + 2.0**-weight) if weight > -1000 else 0.0  # noqa: PLR2004 - no overflow
