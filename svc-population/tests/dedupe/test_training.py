"""What a trained model holds, and what it does not."""

import asyncio

import pytest
from sqlalchemy import text
from svc_population.dedupe import __main__ as command
from svc_population.dedupe.model import Model, load_model

pytestmark = pytest.mark.integration


def _m_of(model: Model, name: str, label: str) -> float:
    (found,) = (
        float(level["m_probability"])
        for comparison in model.settings["comparisons"]
        if comparison["output_column_name"] == name
        for level in comparison["comparison_levels"]
        if level["label_for_charts"] == label
    )
    return found


class TestTrain:
    async def test_a_trained_model_is_another_version_with_what_strangers_have_in_common_here(
        self, settings, folder, session, few, tmp_path, monkeypatch
    ):
        out = tmp_path / "model.json"
        monkeypatch.setenv("POPULATION_DATABASE_URL", settings.asyncpg_dsn)
        monkeypatch.setenv("POPULATION_DEDUPE_FOLDER", str(folder))
        asked = ["train", "--em", "--officer", "CA-7", "--case", "HS-1", "--threads", "1", "--out", str(out)]
        assert await asyncio.to_thread(command.main, asked) == 0
        before, after = load_model(), load_model(out)
        assert after.version > before.version
        assert (after.zones, after.labels()) == (before.zones, before.labels())
        of_sex = {
            level["label_for_charts"]: level.get("u_probability")
            for comparison in after.settings["comparisons"]
            if comparison["output_column_name"] == "sex"
            for level in comparison["comparison_levels"]
        }
        assert of_sex["SAME"] == pytest.approx(0.5, abs=0.05)
        for comparison in after.settings["comparisons"]:
            levels = [x for x in comparison["comparison_levels"] if not x.get("is_null_level")]
            assert sum(x["m_probability"] for x in levels) == pytest.approx(1, abs=0.01)
            assert min(x["m_probability"] for x in levels) > 0
        # Learnt from the country's faults: more names have one here than the model was made for.
        assert _m_of(after, "name", "SAME") < _m_of(before, "name", "SAME")
        written = out.read_text("utf-8")
        assert not [one for one in few if one.original in written or one.added in written]
        actions = await session.scalars(text("SELECT action FROM audit_entries"))
        assert list(actions) == ["dedupe_model_trained"]
        assert not folder.exists()
