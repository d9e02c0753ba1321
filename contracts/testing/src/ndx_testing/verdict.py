"""The judgement over a service's operations: what each owes, what was seen, and the list of known gaps."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ndx_testing.observation import Observations, Seen

RULES: dict[str, str] = {
    "served": "a test saw it succeed, although it is declared as not served",
    "no-test": "no test of the service ever saw it succeed",
    "no-disclosure": "personal data without a disclosure record",
    "no-audit": "a change without an audit entry",
    "no-event": "a change without an event",
}


@dataclass(frozen=True, slots=True)
class Debt:
    """What an operation owes by its declaration."""

    name: str
    disclosure: bool
    audit: bool
    event: bool
    served: bool = True
    """False: it tells why it is not served, and must never succeed."""


def debts_of(service: str, document: Mapping[str, Any]) -> list[Debt]:
    """Read an OpenAPI document: who gives personal data, who changes something, and who announces it."""
    found = []
    for item in document["paths"].values():
        for method, body in item.items():
            declared = body["x-ndx-operation"]
            usual = "ANNOUNCED" if declared["door"] == "agency" else "UNANNOUNCED"
            changes = declared.get("changes", "NOTHING" if method == "get" else usual)
            own = declared["door"] == "citizen"
            found.append(
                Debt(
                    name=f"{service}.{body['operationId']}",
                    disclosure=declared["personal_data"] and not own,
                    audit=changes != "NOTHING" or (declared["personal_data"] and own),
                    event=changes == "ANNOUNCED",
                    served=declared.get("served", True),
                )
            )
    return found


def gaps_of(debt: Debt, seen: Seen | None) -> Iterator[str]:
    """Yield the rules that an operation was not seen keeping."""
    if not debt.served:
        if seen is not None:
            yield "served"
        return
    if seen is None:
        yield "no-test"
        return
    if debt.disclosure and (not seen.disclosed or seen.silent_in):
        yield "no-disclosure"
    if debt.audit and not seen.audited:
        yield "no-audit"
    if debt.event and not seen.announced:
        yield "no-event"


def read_known_gaps(path: Path) -> dict[str, dict[str, str]]:
    """Return the committed list: rule, operation, reason.

    Raises:
        ValueError: a rule that does not exist, or a gap without a reason.
    """
    known: dict[str, dict[str, str]] = tomllib.loads(path.read_text(encoding="utf-8"))
    for rule, entries in known.items():
        if rule not in RULES:
            raise ValueError(f"{path.name}: there is no rule {rule}")
        for operation, reason in entries.items():
            if not reason.strip():
                raise ValueError(f"{path.name}: {operation} has no reason")
    return known


def judge(
    service: str,
    document: Mapping[str, Any],
    observations: Observations,
    known: Mapping[str, Mapping[str, str]],
) -> list[str]:
    """Return one sentence per fault: a gap that is not in the list, or an entry that is no gap any more."""
    faults = []
    debts = debts_of(service, document)
    for debt in debts:
        seen = observations.by_operation.get(debt.name)
        gaps = set(gaps_of(debt, seen))
        for rule, words in RULES.items():
            listed = debt.name in known.get(rule, {})
            if rule in gaps and not listed:
                where = f" ({seen.silent_in})" if rule == "no-disclosure" and seen and seen.silent_in else ""
                faults.append(f"{debt.name}: {words}{where}")
            elif listed and rule not in gaps:
                faults.append(f"{debt.name}: no gap `{rule}` any more, take it off the list")
    names = {debt.name for debt in debts}
    faults.extend(
        f"{operation}: in the list of gaps, but there is no such operation"
        for entries in known.values()
        for operation in entries
        if operation.partition(".")[0] == service and operation not in names
    )
    return faults
