"""What Helm makes of the charts; where there is no `helm` on the PATH nothing is asked."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ndx_chassis.settings import KafkaSettings
from ndx_contracts.topics import SERVICES

HELM = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not on the PATH")
Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def charts(tmp_path_factory) -> Path:
    """Return the umbrella in a copy of the charts, with what each depends on."""
    folder = tmp_path_factory.mktemp("charts")
    shutil.copytree(HELM, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("charts", "Chart.lock"))
    for chart in sorted(folder.glob("*/Chart.yaml"), key=lambda file: file.parent.name == "ndx"):
        subprocess.run(["helm", "dependency", "build", chart.parent], check=True, capture_output=True)
    return folder / "ndx"


@pytest.fixture(scope="module", params=["values.yaml", "values.production.yaml"])
def manifests(charts: Path, request) -> list[Manifest]:
    return rendered(charts, "-f", charts / request.param, "--set", "auth.clients.configMap=relying-parties")


def template(charts: Path, *options: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["helm", "template", "ndx", charts, "--kube-version", "1.30.0", *options]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def rendered(charts: Path, *options: str | Path) -> list[Manifest]:
    done = template(charts, *options)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    for found in manifests:
        spec = found["spec"]
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            yield f"{found['kind']}/{found['metadata']['name']}", template


def chosen(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


class TestPods:
    def test_each_name_is_given_once(self, manifests):
        names = [(found["kind"], found["metadata"]["name"]) for found in manifests]
        assert len(names) == len(set(names))

    def test_no_container_is_root_writes_to_its_image_or_has_no_limit(self, manifests):
        for name, pod in pods(manifests):
            spec = pod["spec"]
            assert spec["securityContext"]["runAsNonRoot"], name
            assert spec["securityContext"]["runAsUser"] == spec["securityContext"]["runAsGroup"] == 10001, (
                name
            )
            assert spec["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch", name
            assert spec["automountServiceAccountToken"] is False, name
            for container in [*spec["containers"], *spec.get("initContainers", [])]:
                security = container["securityContext"]
                assert security["readOnlyRootFilesystem"], name
                assert security["allowPrivilegeEscalation"] is False, name
                assert security["capabilities"] == {"drop": ["ALL"]}, name
                assert container["resources"]["limits"]["memory"], name
                assert not container["image"].endswith(":latest"), name

    def test_what_a_container_mounts_is_a_volume_of_its_pod(self, manifests):
        for name, pod in pods(manifests):
            made = {volume["name"] for volume in pod["spec"].get("volumes", [])}
            claims = {
                claim["metadata"]["name"]
                for found in manifests
                if f"{found['kind']}/{found['metadata']['name']}" == name
                for claim in found["spec"].get("volumeClaimTemplates", [])
            }
            for container in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]:
                assert {mount["name"] for mount in container["volumeMounts"]} <= made | claims, name

    def test_what_serves_has_probes_and_a_budget_for_disruptions(self, manifests):
        budgets = [
            f["spec"]["selector"]["matchLabels"] for f in manifests if f["kind"] == "PodDisruptionBudget"
        ]
        for name, pod in pods(manifests):
            if name.startswith(("Deployment", "StatefulSet")):
                assert {"readinessProbe", "livenessProbe", "startupProbe"} <= pod["spec"]["containers"][
                    0
                ].keys()
                labels = pod["metadata"]["labels"]
                assert sum(chosen(selector, labels) for selector in budgets) == 1, name


class TestRelyingParties:
    def test_auth_is_not_installed_with_the_demos(self, charts):
        done = template(charts)
        assert done.returncode != 0
        assert "auth: clients.configMap or clients.secret must name" in done.stderr

    @pytest.mark.parametrize(("kind", "name"), [("configMap", "name"), ("secret", "secretName")])
    def test_every_process_of_auth_reads_the_list_that_is_named(self, charts, kind, name):
        found = rendered(charts, "--set", f"auth.clients.{kind}=ours,auth.clients.key=list.json")
        own = [pod["spec"] for key, pod in pods(found) if key.startswith("Deployment/ndx-auth-")]
        assert len(own) == 2
        for spec in own:
            (container,) = spec["containers"]
            (mount,) = (m for m in container["volumeMounts"] if m["name"] == "clients")
            (volume,) = (v for v in spec["volumes"] if v["name"] == "clients")
            assert volume[kind][name] == "ours"
            ((key, path),) = ((item["key"], item["path"]) for item in volume[kind]["items"])
            assert key == "list.json"
            environment = {variable["name"]: variable.get("value") for variable in container["env"]}
            assert environment["AUTH_CLIENTS_FILE"] == f"{mount['mountPath']}/{path}"

    def test_no_other_service_has_it(self, manifests):
        for name, pod in pods(manifests):
            mounted = any(volume["name"] == "clients" for volume in pod["spec"].get("volumes", []))
            assert mounted == name.startswith("Deployment/ndx-auth-"), name


class TestKafka:
    def test_with_tls_all_who_speak_to_it_have_a_certificate_of_their_own(self, charts):
        found = rendered(charts, "--set", "global.kafka.tls=true,auth.clients.configMap=relying-parties")
        known = {f"KAFKA_{name.upper()}" for name in KafkaSettings.model_fields}
        secrets: set[str] = set()
        for name, pod in pods(found):
            (container, *_), volumes = pod["spec"]["containers"], pod["spec"].get("volumes", [])
            told = {v["name"]: v.get("value") for v in container.get("env", [])}
            if "KAFKA_BOOTSTRAP_SERVERS" in told:
                assert known <= set(told), name
                assert told["KAFKA_SECURITY_PROTOCOL"] == "SSL"
                assert any(m["mountPath"] == "/etc/ndx/kafka" for m in container["volumeMounts"]), name
                assert all(told[n].startswith("/etc/ndx/kafka/") for n in known if n.endswith("_FILE")), name
                secrets.update(v["secret"]["secretName"] for v in volumes if v["name"] == "kafka")
        assert secrets == {f"ndx-{service}-kafka" for service in SERVICES}

    def test_without_nobody_waits_for_one(self, manifests):
        for name, pod in pods(manifests):
            assert all(volume["name"] != "kafka" for volume in pod["spec"].get("volumes", [])), name


class TestNetwork:
    @pytest.mark.parametrize("kind", ["ClusterIP", "NodePort", "LoadBalancer"])
    def test_whoever_calls_from_outside_keeps_their_address(self, charts, kind):
        """Wrong log-ins are counted by it: behind a node's address one caller would lock the others out."""
        found = rendered(
            charts, "--set", f"gateway.envoy.service.type={kind},auth.clients.configMap=relying-parties"
        )
        (service,) = (
            f["spec"] for f in found if (f["kind"], f["metadata"]["name"]) == ("Service", "ndx-envoy")
        )
        assert service["type"] == kind
        assert service.get("externalTrafficPolicy") == (None if kind == "ClusterIP" else "Local")

    def test_everything_is_denied_but_what_a_policy_of_its_own_names(self, manifests):
        policies = [found["spec"] for found in manifests if found["kind"] == "NetworkPolicy"]
        closed = [p for p in policies if "ingress" not in p and "egress" not in p]
        assert [set(p["policyTypes"]) for p in closed] == [{"Ingress", "Egress"}]
        for name, pod in pods(manifests):
            labels = pod["metadata"]["labels"]
            assert chosen(closed[0]["podSelector"]["matchLabels"], labels), name
            own = [p for p in policies if p not in closed and chosen(p["podSelector"]["matchLabels"], labels)]
            assert len(own) == 1, name
            assert all("ports" in rule for rule in [*own[0]["ingress"], *own[0]["egress"]]), name

    def test_services_are_called_by_envoys_only(self, manifests):
        (envoy,) = (p["metadata"]["labels"] for name, p in pods(manifests) if name == "StatefulSet/ndx-envoy")
        for found in manifests:
            name = found["metadata"]["name"]
            if found["kind"] == "NetworkPolicy" and name not in {"ndx-deny", "ndx-envoy"}:
                (rule,) = found["spec"]["ingress"]
                (peer,) = rule["from"]
                assert chosen(peer["podSelector"]["matchLabels"], envoy), name

    def test_each_address_of_the_gateway_is_a_service_of_the_release(self, manifests):
        known = {
            f"{found['metadata']['name']}:{port['port']}"
            for found in manifests
            if found["kind"] == "Service"
            for port in found["spec"]["ports"]
        }
        for _, pod in pods(manifests):
            for variable in pod["spec"]["containers"][0].get("env", []):
                if variable["name"] in {"NDX_GATEWAY_URL", "NDX_CITIZEN_URL"}:
                    assert variable["value"].removeprefix("https://") in known
                if variable["name"] == "GATEWAY_UPSTREAMS":
                    assert set(yaml.safe_load(variable["value"]).values()) <= known
