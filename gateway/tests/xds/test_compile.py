"""The compiler: what it writes for a small live, that it is pure, and that a change touches little."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from gateway.agencies.service import AgencyEntry, SystemEntry
from gateway.quotas.spent import Spent
from gateway.xds import names, protos
from gateway.xds.bootstrap import bootstrap
from gateway.xds.compile import compile_resources, compile_stops, documents
from gateway.xds.replies import REPLIES
from gateway.xds.resources import Resources
from gateway.xds.snapshot import Doors, Material, Snapshot
from ndx_contracts import headers
from ndx_contracts.agreements import AgreementState
from ndx_testing.bus import AGENCIES, AGREEMENTS, OPERATIONS, OPERATORS, TODAY

GOLDEN = Path(__file__).parent / "golden"
SMALL = Snapshot(
    agencies=[a for a in AGENCIES if a.code in {"G03", "T01", "B01"}],
    operators=[o for o in OPERATORS if o.agency == "NDX"],
    revoked={"urn:ndx:agency:G03:insurance-link": ["ab" * 32]},
    agreements=[
        a.model_copy(update={"quotas": a.quotas.model_copy(update={"per_day": 2400, "per_month": 60_000})})
        for a in AGREEMENTS
        if a.agreement_id in {"DSA-G03-1", "DSA-T01-1"}
    ],
    spent=(Spent("T01", "DSA-T01-1", 1_796_058_000),),
    operations=[
        o
        for o in OPERATIONS
        if o.name.split(".")[1] in {"get_person", "list_my_disclosures", "list_agencies"}
    ],
    material=Material("cert", "key", "cert", "key", "ca", "ca", "crl"),
    doors=Doors(
        address="0.0.0.0",  # noqa: S104 - a value to look at, nothing listens
        listener_port=8443,
        citizen_port=8444,
        upstreams={"population": "population:8080", "gateway": "gateway:8080"},
        issuer="https://login.test/auth",
        access_log="/dev/stdout",
        zipkin="",
        otlp="collector:4317",
        sampling=10.0,
    ),
    today=TODAY,
)


def changed(before: Resources, after: Resources) -> set[str]:
    """Return the names of the resources that differ."""
    return {
        name
        for kind in before
        for name in before[kind].keys() | after[kind].keys()
        if before[kind].get(name) != after[kind].get(name)
    }


class TestGolden:
    @pytest.mark.parametrize("kind", ["CDS", "ECDS", "SRDS", "RDS"])
    def test_the_configuration_of_a_small_bus(self, kind: str) -> None:
        """With NDX_GOLDEN=write the files are written anew; look at the difference before committing."""
        file = GOLDEN / f"{kind.lower()}.json"
        found = documents(compile_resources(SMALL))[getattr(protos, kind)]
        text = json.dumps(found, indent=1, sort_keys=True) + "\n"
        if os.environ.get("NDX_GOLDEN") == "write":
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        assert json.loads(file.read_text(encoding="utf-8")) == json.loads(text)


class TestPurity:
    def test_the_same_snapshot_gives_the_same_bytes(self) -> None:
        backwards = replace(
            SMALL,
            agencies=SMALL.agencies[::-1],
            agreements=SMALL.agreements[::-1],
            operations=SMALL.operations[::-1],
        )
        assert changed(compile_resources(SMALL), compile_resources(backwards)) == set()

    def test_what_stops_callers_is_that_of_the_whole(self) -> None:
        whole = compile_resources(SMALL)
        stop = {names.STOP_FILTER: whole[protos.ECDS][names.STOP_FILTER]}
        assert compile_stops(SMALL) == {protos.SDS: whole[protos.SDS], protos.ECDS: stop}

    def test_a_bus_without_agencies_has_no_empty_map(self) -> None:
        empty = replace(SMALL, agencies=[], operators=[], revoked={}, agreements=[])
        for kind in documents(compile_resources(empty)).values():
            assert '"map": {}' not in json.dumps(kind)
            assert '"exact_match_map": {}' not in json.dumps(kind)

    def test_a_bus_without_services_compiles(self) -> None:
        compile_resources(replace(SMALL, operations=[], doors=replace(SMALL.doors, upstreams={})))


class TestLocality:
    def test_a_suspended_agreement_touches_the_stop_filter_and_its_service_only(self) -> None:
        stopped = [
            a.model_copy(update={"state": AgreementState.SUSPENDED}) if a.agreement_id == "DSA-G03-1" else a
            for a in SMALL.agreements
        ]
        difference = changed(compile_resources(SMALL), compile_resources(replace(SMALL, agreements=stopped)))
        assert difference == {names.STOP_FILTER, "routes-population"}

    def test_a_suspended_agency_touches_the_stop_filter_only(self) -> None:
        stopped = [replace(a, state="SUSPENDED") if a.code == "G03" else a for a in SMALL.agencies]
        difference = changed(compile_resources(SMALL), compile_resources(replace(SMALL, agencies=stopped)))
        assert difference == {names.STOP_FILTER}

    def test_a_new_agency_without_agreements_touches_the_agency_filter_only(self) -> None:
        more = [*SMALL.agencies, AgencyEntry("G09", "ACTIVE", [SystemEntry("core", "ACTIVE")])]
        difference = changed(compile_resources(SMALL), compile_resources(replace(SMALL, agencies=more)))
        assert difference == {names.AGENCY_FILTER}

    def test_no_change_of_registry_or_agreements_touches_a_listener(self) -> None:
        other = replace(SMALL, agencies=[], operators=[], agreements=[], operations=[])
        before, after = compile_resources(SMALL), compile_resources(other)
        assert before[protos.LDS] == after[protos.LDS]


class TestDoors:
    def test_both_doors_strip_every_header_that_says_who_calls(self) -> None:
        for listener in documents(compile_resources(SMALL))[protos.LDS].values():
            manager = listener["filter_chains"][0]["filters"][-1]["typed_config"]
            mutations = manager["early_header_mutation_extensions"][0]["typed_config"]["mutations"]
            assert {h.lower() for h in headers.SET_BY_GATEWAY} <= {m["remove"] for m in mutations}

    def test_no_log_or_span_names_the_path(self) -> None:
        text = json.dumps(documents(compile_resources(SMALL))[protos.LDS])
        for word in ("%REQ(:PATH", "%PATH", "%REQ_WITHOUT_QUERY", "%TRAILER"):
            assert word not in text

    def test_refusals_have_distinct_codes_and_words(self) -> None:
        codes = [r.code for r in REPLIES]
        assert len(codes) == len(set(codes))
        found = [r.refusal for r in REPLIES]
        assert all(r.title and r.detail.endswith(".") and 400 <= r.status < 600 for r in found)


class TestBootstrap:
    def test_envoys_admin_page_is_on_loopback_and_the_control_plane_by_mutual_tls(self) -> None:
        from gateway.settings import Settings

        made = bootstrap(Settings(database_url="postgresql://u@h/d", xds_address="control.ndx"))
        assert made["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"
        (cluster,) = made["static_resources"]["clusters"]
        tls = cluster["transport_socket"]["typed_config"]["common_tls_context"]
        assert tls["tls_certificate_sds_secret_configs"]
        known = tls["combined_validation_context"]
        assert known["default_validation_context"]["match_typed_subject_alt_names"]
        assert known["validation_context_sds_secret_config"]["name"] == "envoy-anchor"
        retry = made["dynamic_resources"]["ads_config"]["grpc_services"][0]["envoy_grpc"]["retry_policy"]
        assert retry["retry_back_off"] == {"base_interval": "0.2s", "max_interval": "1s"}
