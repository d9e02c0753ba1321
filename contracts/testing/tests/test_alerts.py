"""Every alert asks for metrics and labels that the code shows, and says where to read on."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ndx_testing.telemetry import declared, prometheus_name

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((ROOT / "deploy" / "alerts").glob("*.yaml"))
RULES = [rule for file in FILES for g in yaml.safe_load(file.read_text())["groups"] for rule in g["rules"]]
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
PROMETHEUS_OWN = {"job"}
_GROUPED = re.compile(r"\b(?:by|on|ignoring|without) \(([^)]*)\)")
_CHOSEN = re.compile(r"\{([^}]*)\}")
MUST_KNOW = {
    "ndx_relay_lag_seconds",
    "ndx_relay_failures_total",
    "ndx_relay_set_aside_total",
    "ndx_inbox_events",
    "ndx_leading",
    "ndx_certificate_left_seconds",
    "ndx_revocation_list_left_seconds",
    "ndx_configuration_refused",
    "ndx_configuration_envoy_away_seconds",
    "ndx_quota_tally_behind_seconds",
    "ndx_ledger_waiting_seconds",
}
"""What stops the exchange without a call failing: nobody would see it."""


def asked(expr: str) -> tuple[set[str], set[str]]:
    """Return the metrics and the labels that an expression asks for."""
    labels = {label.strip() for found in _GROUPED.findall(expr) for label in found.split(",")}
    labels |= {
        re.split(r"[=!]", part)[0].strip() for found in _CHOSEN.findall(expr) for part in found.split(",")
    }
    rest = _CHOSEN.sub("", _GROUPED.sub("", expr))
    return set(re.findall(r"\b(?:ndx|http|process)[_:]\w+", rest)), labels


@pytest.fixture(scope="module")
def shown() -> dict[str, set[str]]:
    """Give the labels of each metric, by the name that Prometheus sees."""
    registry = declared(ROOT / "contracts" / "telemetry")
    return {
        prometheus_name(metric): {key.replace(".", "_") for key in registry.keys(metric)}
        for metric in registry.metrics.values()
    }


@pytest.fixture(scope="module")
def source() -> str:
    """Give the code that could show a metric."""
    folders = [ROOT / "contracts/chassis/src", ROOT / "gateway/src", *ROOT.glob("svc-*/src")]
    return "\n".join(file.read_text(encoding="utf-8") for f in folders for file in f.rglob("*.py"))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_its_metrics_and_labels_are_those_of_the_code(
    rule: dict[str, Any], shown: dict[str, set[str]], source: str
) -> None:
    metrics, labels = asked(rule["expr"])
    assert metrics
    assert metrics <= shown.keys() | RECORDED
    assert [m for m in metrics - RECORDED if f'"{m.removesuffix("_total")}"' not in source] == []
    told = set(re.findall(r"\$labels\.(\w+)", str(rule.get("annotations"))))
    ours = {label for m in metrics - RECORDED for label in shown[m]}
    if not metrics & RECORDED:
        assert (labels | told) - PROMETHEUS_OWN <= ours
        # Whoever is told of a label must have kept it.
        assert "by (" not in rule["expr"] or told <= labels


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_it_says_how_urgent_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    page, _, section = rule["annotations"]["what_to_do"].partition("#")
    titles = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    known = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    assert not section or section in known


def test_what_would_stop_unseen_is_watched() -> None:
    watched = set().union(*(asked(rule["expr"])[0] for rule in ALERTS))
    assert MUST_KNOW - watched == set()


def test_each_alert_has_a_name_of_its_own() -> None:
    names = [rule["alert"] for rule in ALERTS]
    assert len(names) == len(set(names))
