"""What the charts set is what the services read, and an overlay names nothing that a chart has not."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from gateway.authorities.cluster_secrets import KEYS
from gateway.settings import Settings as GatewaySettings
from jsonschema import Draft7Validator
from ndx_chassis.settings import ROLES, ServiceSettings
from ndx_contracts.topics import SERVICES
from ndx_local.parts import envoy_command

HELM = Path(__file__).resolve().parents[1]
CHARTS = [name for name in SERVICES if name != "gateway"]
OVERLAYS = [None, "production"]
MOUNTED_KEYS = "/etc/ndx/keys/"


def merged(below: Any, above: Any) -> Any:
    """Lay values over values as Helm does."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {
        **below,
        **{name: merged(below.get(name), value) if name in below else value for name, value in above.items()},
    }


def read(*place: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(HELM.joinpath(*place).read_text())
    return found


def values(chart: str, overlay: str | None) -> dict[str, Any]:
    """Return what a chart's templates see in the umbrella: the library's, its own, the overlay's."""
    defaults = {} if chart == "gateway" else read("ndx-service", "values.yaml")["exports"]["defaults"]
    found = merged(defaults, read(chart, "values.yaml"))
    for file in ("values.yaml", *([f"values.{overlay}.yaml"] if overlay else [])):
        found = merged(found, read("ndx", file).get(chart, {}))
    return dict(found)


def settings_of(chart: str) -> type[ServiceSettings]:
    module = importlib.import_module(f"{values(chart, None)['package']}.settings")
    found: type[ServiceSettings] = module.Settings
    return found


def faults(chart: str, found: dict[str, Any]) -> list[str]:
    schema = json.loads((HELM / chart / "values.schema.json").read_text())
    return [error.message for error in Draft7Validator(schema).iter_errors(found)]


@pytest.mark.parametrize("exporter", ["none", "otlp", "otlp_json_http", "zipkin_json"])
@pytest.mark.parametrize("chart", SERVICES)
def test_each_way_of_sending_traces_is_admitted(chart, exporter):
    assert faults(chart, merged(values(chart, None), {"traces": {"exporter": exporter}})) == []


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("chart", CHARTS)
class TestServices:
    def test_they_are_what_the_schema_admits(self, chart, overlay):
        assert faults(chart, values(chart, overlay)) == []

    def test_the_service_takes_its_settings(self, chart, overlay, monkeypatch):
        settings, prefix = settings_of(chart), chart.upper().replace("-", "_")
        given = values(chart, overlay)["settings"]
        assert set(given) <= {f"{prefix}_{name.upper()}" for name in settings.model_fields}
        for name, value in given.items():
            monkeypatch.setenv(name, str(value))
        taken = settings().model_dump()
        assert all(str(taken[name.removeprefix(f"{prefix}_").lower()]) == str(v) for name, v in given.items())

    def test_every_role_is_somebodys(self, chart, overlay):
        found = values(chart, overlay)
        assert {*found["doors"]["roles"].split(","), *found["worker"]["roles"].split(",")} == ROLES

    def test_the_keys_that_it_names_are_in_its_secret(self, chart, overlay):
        given = map(str, values(chart, overlay)["settings"].values())
        named = {value.removeprefix(MOUNTED_KEYS) for value in given if value.startswith(MOUNTED_KEYS)}
        assert named == set(KEYS.get(chart, {}))


class TestUmbrella:
    def test_it_holds_the_gateway_and_every_service_each_of_which_can_be_elsewhere(self):
        parts = read("ndx", "Chart.yaml")["dependencies"]
        assert {part["name"] for part in parts} == set(SERVICES)
        assert all(part["condition"] == f"{part['name']}.enabled" for part in parts)
        assert all(read("ndx", "values.yaml")[name]["enabled"] for name in SERVICES)

    @pytest.mark.parametrize("overlay", OVERLAYS)
    def test_the_gateway_knows_every_service_and_takes_what_is_set(self, overlay):
        found = values("gateway", overlay)
        assert faults("gateway", found) == []
        assert set(found["upstreams"]) == set(CHARTS)
        assert all(
            place == "{{ .Release.Name }}-%s:%d" % (name, values(name, overlay)["port"])  # noqa: UP031 - braces
            for name, place in found["upstreams"].items()
        )

    def test_the_overlay_names_no_part_that_is_not_there(self):
        assert set(read("ndx", "values.production.yaml")) <= {*SERVICES, "global"}


class TestTemplates:
    def test_the_library_sets_what_every_service_reads(self):
        own, shared = named_settings(HELM / "ndx-service" / "templates", r"name: [^,\n]*\}\}")
        assert "DATABASE_URL" in own
        assert {name.lower() for name in own} <= set(ServiceSettings.model_fields)
        fields = ServiceSettings.model_fields.values()
        # The endpoint of traces is read by OpenTelemetry's own exporter.
        assert shared - {"OTEL_EXPORTER_OTLP_ENDPOINT"} <= {str(f.validation_alias) for f in fields}

    def test_the_gateway_sets_what_control_plane_and_envoy_read(self):
        own, _ = named_settings(HELM / "gateway" / "templates", "name: GATEWAY")
        assert {"STATE_DIR", "PUBLIC_HOSTS", "HEALTH_PORT"} <= own
        assert {name.lower() for name in own} <= set(GatewaySettings.model_fields)

    def test_envoy_is_started_as_it_is_on_one_machine(self):
        template = (HELM / "gateway" / "templates" / "envoy.yaml").read_text()
        block = template.partition("        - envoy\n")[2].partition("        env:")[0]
        told = re.findall(r"^ +- (.*)$", block, re.MULTILINE)
        given = [word.strip('"') for word in told]
        local = envoy_command("/var/ndx/run/envoy.json")[1:]
        cores = local.index("--concurrency") + 1
        assert [*given[:cores], *given[cores + 1 :]] == [*local[:cores], *local[cores + 1 :]]

    def test_the_search_for_duplicates_works_on_the_volume_that_its_job_mounts(self):
        found = values("population", None)
        template = (HELM / "population" / "templates" / "dedupe.yaml").read_text()
        (mounted,) = re.findall(r"name: dedupe, mountPath: (\S+?)}", template)
        assert Path(found["settings"]["POPULATION_DEDUPE_FOLDER"]).parent == Path(mounted)
        assert set(re.findall(r"{{ \.(\w+)", template)) <= set(found["dedupe"])


def named_settings(folder: Path, start: str) -> tuple[set[str], set[str]]:
    """Return the settings that templates name: those of its own, and those that all share."""
    text = "\n".join(file.read_text() for file in sorted(folder.iterdir()))
    own = set(re.findall(rf"{start}_([A-Z_]+)[,\n]", text))
    return own, set(re.findall(r"name: ((?:NDX|OTEL)_[A-Z_]+|KAFKA_BOOTSTRAP_SERVERS)", text))
