"""The distributed engine finds what the embedded one finds: the same model, the same pairs, the same zones.

Run by `make dedupe-spark`, which brings PySpark: 470 MB that nobody else needs.
"""

import asyncio
import importlib.util
from pathlib import Path
from uuid import UUID

import pytest
from ndx_demo.population.duplicates import Truth
from svc_population.dedupe.engines import DuckDb, Engine, Pair, Spark, pairs_of
from svc_population.dedupe.model import load_model
from svc_population.dedupe.reading import stream
from svc_population.dedupe.workspace import Workspace

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        importlib.util.find_spec("pyspark") is None, reason="make dedupe-spark brings PySpark"
    ),
    pytest.mark.filterwarnings("default"),
]


class TestBothEngines:
    async def test_find_the_same_pairs_with_the_same_weights_in_the_same_zones(
        self, database_url: str, truth: list[Truth], tmp_path: Path
    ):
        def found(engine: Engine) -> dict[tuple[str, str], Pair]:
            try:
                engine.compare(model, 1, persons)
            finally:
                engine.close()
            return {(p.one, p.other): p for p in pairs_of(model, workspace.rows(1)) if p is not None}

        model, workspace = load_model(), Workspace(tmp_path / "work")
        workspace.begin(UUID(int=1))
        persons = await stream(database_url, workspace.take)
        embedded = await asyncio.to_thread(found, DuckDb(workspace, memory="1GB", threads=1))
        workspace.pairs(1).unlink()
        distributed = await asyncio.to_thread(found, Spark(workspace, master="local[2]"))
        assert len(embedded) > len(truth) / 2
        assert embedded.keys() == distributed.keys()
        for key, pair in embedded.items():
            other = distributed[key]
            assert (other.zone, other.levels) == (pair.zone, pair.levels)
            assert other.weight == pytest.approx(pair.weight, abs=1e-6)
