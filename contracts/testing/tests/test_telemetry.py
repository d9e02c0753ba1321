"""What the code logs, traces and counts is what `contracts/telemetry/` declares, both ways."""

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from ndx_chassis.app import Runtime
from ndx_testing.telemetry import Declared, declared, logged, prometheus_name, traced
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

ROOT = Path(__file__).resolve().parents[3]
COMMON = frozenset({"event", "level", "timestamp", "service", "trace_id"})
WAITING = text("INSERT INTO inbox (consumer, event_id, state) VALUES ('tax:t', gen_random_uuid(), 'WAITING')")


@pytest.fixture(scope="session")
def service_package() -> str:
    return "svc_tax_link"


@pytest.fixture(scope="module")
def registry() -> Declared:
    return declared(ROOT / "contracts" / "telemetry")


def conventions() -> Iterator[str]:
    """Yield the names of all attributes of the semantic conventions."""
    for package in ("opentelemetry.semconv.attributes", "opentelemetry.semconv._incubating.attributes"):
        module = importlib.import_module(package)
        for found in pkgutil.iter_modules(module.__path__, f"{package}."):
            members = vars(importlib.import_module(found.name))
            yield from (v for v in members.values() if isinstance(v, str))


class TestLogs:
    def test_every_event_in_the_code_is_declared_with_its_keys(self, registry: Declared) -> None:
        wrong = [
            f"{said.place}: {said.name} {sorted(said.keys)}"
            for said in logged(ROOT)
            if said.name not in registry.events or not said.keys <= registry.keys(registry.events[said.name])
        ]
        assert not wrong, "declare it in contracts/telemetry/log-events.yaml"

    def test_every_declared_event_and_key_is_in_the_code(self, registry: Declared) -> None:
        used: dict[str, set[str]] = {}
        for said in logged(ROOT):
            used.setdefault(said.name, set()).update(said.keys)
        assert {name: registry.keys(group) for name, group in registry.events.items()} == used

    def test_no_key_hides_what_every_line_has(self) -> None:
        assert not [s.place for s in logged(ROOT) if s.keys & (COMMON - {"level"})]


class TestSpans:
    def test_every_span_has_the_declared_attributes_of_its_kind(self, registry: Declared) -> None:
        found = {said.name: said.keys for said in traced(ROOT)}
        assert found == {kind: registry.keys(group) for kind, group in registry.spans.items()}
        for said in traced(ROOT):
            assert said.keys == found[said.name], said.place


class TestAttributes:
    def test_every_reference_is_ours_or_a_semantic_convention(self, registry: Declared) -> None:

        known = set(conventions()) | set(registry.attributes)
        groups = [*registry.events.values(), *registry.spans.values(), *registry.metrics.values()]
        assert {key for group in groups for key in registry.keys(group)} - known == set()

    def test_every_attribute_of_ours_is_used(self, registry: Declared) -> None:
        groups = [*registry.events.values(), *registry.spans.values(), *registry.metrics.values()]
        used = {key for group in groups for key in registry.keys(group)}
        assert set(registry.attributes) - used == set()

    def test_every_declaration_says_what_it_is(self, registry: Declared) -> None:
        everything = {**registry.attributes, **registry.events, **registry.spans, **registry.metrics}
        assert not [name for name, group in everything.items() if not group.get("brief", "").endswith(".")]


class TestMetrics:
    async def test_the_page_shows_what_is_declared_and_nothing_else(
        self, client: httpx.AsyncClient, runtime: Runtime, registry: Declared
    ) -> None:
        runtime.metrics.disclosed([("tax.get_taxpayer", "DISCLOSED")])
        runtime.metrics.lags("tax", {("population.person.v1", 0): 0})
        await client.get("/nowhere")
        await client.get("/tax/v1/taxpayers/079195000021")
        async with runtime.sessions() as session, session.begin():
            await session.execute(WAITING)
        page = (await client.get("/metrics")).text
        found = {
            family.name: {label for s in family.samples for label in s.labels} - {"le"}
            for family in text_string_to_metric_families(page)
            if not family.name.startswith("process_")
        }
        mine = {
            prometheus_name(metric).removesuffix("_total"): {
                key.replace(".", "_") for key in registry.keys(metric)
            }
            for name, metric in registry.metrics.items()
            if not name.startswith(
                (
                    "ndx.ledger.",
                    "ndx.calls",
                    "ndx.feed.",
                    "ndx.configuration.",
                    "ndx.personal_ids.",
                    "ndx.dedupe.",
                    "ndx.revocation_list.",
                    "ndx.quota.",
                    "ndx.certificate.",
                )
            )
        }
        assert found == mine
