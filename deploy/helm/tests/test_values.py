"""What the charts set is what the service reads, and an overlay names nothing that the chart has not."""

import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator
from ndx_chassis.settings import ROLES
from svc_population.settings import Settings

HELM = Path(__file__).resolve().parents[1]
CHART = HELM / "population"


def merged(below, above):
    """Lay values over values as Helm does."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {
        **below,
        **{name: merged(below.get(name), value) if name in below else value for name, value in above.items()},
    }


def values(overlay):
    plain = yaml.safe_load((CHART / "values.yaml").read_text())
    above = yaml.safe_load((CHART / f"values.{overlay}.yaml").read_text()) if overlay else {}
    return merged(plain, above)


@pytest.mark.parametrize("overlay", [None, "production"])
class TestValues:
    def test_they_are_what_the_schema_admits(self, overlay):
        schema = json.loads((CHART / "values.schema.json").read_text())
        assert [error.message for error in Draft7Validator(schema).iter_errors(values(overlay))] == []

    def test_each_setting_is_one_that_the_service_reads(self, overlay):
        known = {f"POPULATION_{name.upper()}" for name in Settings.model_fields}
        assert set(values(overlay)["settings"]) <= known

    def test_the_service_takes_them(self, overlay, monkeypatch):
        for name, value in values(overlay)["settings"].items():
            monkeypatch.setenv(name, str(value))
        assert Settings().person_partitions == 16

    def test_every_role_is_somebodys(self, overlay):
        found = values(overlay)
        assert {*found["doors"]["roles"].split(","), *found["worker"]["roles"].split(",")} == ROLES


def test_the_search_for_duplicates_works_on_the_volume_that_its_job_mounts():
    found = values(None)
    template = (CHART / "templates" / "dedupe.yaml").read_text()
    (mounted,) = re.findall(r"name: dedupe, mountPath: (\S+?)}", template)
    assert Path(found["settings"]["POPULATION_DEDUPE_FOLDER"]).parent == Path(mounted)
    assert set(re.findall(r"{{ \.(\w+)", template)) <= set(found["dedupe"])


def test_the_library_sets_what_every_service_reads():
    template = (HELM / "ndx-service" / "templates" / "_environment.tpl").read_text()
    template += (HELM / "ndx-service" / "templates" / "_deployment.tpl").read_text()
    own = set(re.findall(r"[} ]_([A-Z_]+)[,\n]", template)) | set(re.findall(r"\}\}_([A-Z_]+)", template))
    assert "DATABASE_URL" in own
    assert {name.lower() for name in own} <= set(Settings.model_fields)
    shared = {
        str(field.validation_alias) for field in Settings.model_fields.values() if field.validation_alias
    }
    named = set(re.findall(r"name: ((?:NDX|KAFKA|OTEL)_[A-Z_]+)", template))
    # The endpoint of traces is read by OpenTelemetry's own exporter.
    assert named - {"OTEL_EXPORTER_OTLP_ENDPOINT"} <= shared
