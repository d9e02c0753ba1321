"""The compiled matcher trees decide as the plain rules do, for any registry, agreements and call."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from gateway.agencies.service import AgencyEntry, OperatorEntry, SystemEntry
from gateway.catalogue.operations import Operation
from gateway.decisions import rules
from gateway.decisions.rules import decide
from gateway.xds import matchers, names, protos
from gateway.xds.compile import compile_resources, documents
from gateway.xds.snapshot import Doors, Material, Snapshot
from gateway.xds.stop_filter import nearer_paths, path_regex
from hypothesis import given, settings
from hypothesis import strategies as st
from ndx_contracts.agreements import Agreement, AgreementState, Conditions
from ndx_contracts.purposes import Purpose
from ndx_testing.bus import OPERATIONS, TODAY, agreement

MATERIAL = Material("c", "k", "c", "k", "ca", "ca", "crl")
DOORS = Doors("127.0.0.1", 1, 2, {"population": "127.0.0.1:3"}, "https://i", "/dev/null", "", "", 1.0)
AGENCY_OPERATIONS = [o for o in OPERATIONS if o.door == "agency"]
AGENCY_DOOR = [o for o in OPERATIONS if o.door not in {"citizen", "public"}]
PURPOSES = [Purpose.SOCIAL_INSURANCE, Purpose.STATISTICS, Purpose.TAX_ADMINISTRATION]
CODES = ["A1", "A2", "A3"]
CLASSES = ["HEALTH", "BANK"]


@dataclass(frozen=True)
class Call:
    san: str
    fingerprint: str
    operation: Operation
    purpose: str | None
    officer: str | None
    case: str | None

    left: dict[str, str] = field(default_factory=dict, compare=False)
    """What the filters before have left in the call's metadata, by key."""

    @property
    def path(self) -> str:
        return re.sub(r"\{\w+\}", "079190000017", self.operation.path)

    def plain(self) -> rules.Call:
        said = ((v,) if v is not None else () for v in (self.purpose, self.officer, self.case))
        purpose, officer, case = said
        return rules.Call(
            self.san, self.operation.method, self.path, purpose, officer, case, self.fingerprint
        )

    def headers(self) -> dict[str, str]:
        given = {
            ":method": self.operation.method,
            ":path": self.path + "?x=1",
            "ndx-purpose": self.purpose,
            "ndx-officer": self.officer,
            "ndx-case-id": self.case,
        }
        return {k: v for k, v in given.items() if v is not None}


def value_of(source: dict[str, Any], call: Call) -> str | None:
    config = source["typed_config"]
    kind = config["@type"].rpartition(".")[2]
    if kind == "UriSanInput":
        return call.san
    if kind == "FilterStateInput":
        assert config["key"] == matchers.FINGERPRINT_KEY
        return call.fingerprint
    if kind == "DynamicMetadataInput":
        assert config["filter"] == names.POLICIES
        return call.left.get(config["path"][0]["key"])
    assert kind == "HttpRequestHeaderMatchInput"
    return call.headers().get(config["header_name"])


def holds(predicate: dict[str, Any], call: Call) -> bool:
    if "and_matcher" in predicate:
        return all(holds(p, call) for p in predicate["and_matcher"]["predicate"])
    if "not_matcher" in predicate:
        return not holds(predicate["not_matcher"], call)
    if "or_matcher" in predicate:
        return any(holds(p, call) for p in predicate["or_matcher"]["predicate"])
    single = predicate["single_predicate"]
    value = value_of(single["input"], call)
    if value is None:
        return False
    match = single.get("value_match") or single["custom_match"]["typed_config"]["value"]["string_match"]
    if "contains" in match:
        return match["contains"] in value
    return bool(value == match["exact"]) if "exact" in match else _fits(match, value)


def _fits(match: dict[str, Any], value: str) -> bool:
    return re.fullmatch(match["safe_regex"]["regex"], value) is not None


def outcome(tree: dict[str, Any], call: Call) -> tuple[str, bool] | None:
    """Walk a matcher as Envoy does; return the action's name and whether it allows."""
    node = None
    if "matcher_tree" in tree:
        value = value_of(tree["matcher_tree"]["input"], call)
        node = tree["matcher_tree"]["exact_match_map"]["map"].get(value)
    for case in tree.get("matcher_list", {}).get("matchers", []):
        if holds(case["predicate"], call):
            node = case["on_match"]
            break
    # A nested matcher that comes to nothing falls through to what follows when nothing matches here.
    for found in (node, tree.get("on_no_match")):
        decided = None if found is None else _followed(found, call)
        if decided is not None:
            return decided
    return None


def _followed(node: dict[str, Any], call: Call) -> tuple[str, bool] | None:
    if "matcher" in node:
        return outcome(node["matcher"], call)
    action = node["action"]["typed_config"]
    return action["name"], action.get("action") != "DENY"


def routes_in(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return every route below a tree of paths."""
    nodes = [tree["on_no_match"]] if "on_no_match" in tree else []
    for map_ in ("exact_match_map", "prefix_match_map"):
        nodes += tree["matcher_tree"].get(map_, {"map": {}})["map"].values()
    for node in nodes:
        if "matcher" in node:
            yield from routes_in(node["matcher"])
        else:
            yield from node["action"]["typed_config"]["routes"]


def compiled(found: dict[str, Any], call: Call) -> dict[str, str | None]:
    """Return what the two filters of the compiled configuration say."""
    stop_filter = found[protos.ECDS][names.STOP_FILTER]["typed_config"]
    agency_filter = found[protos.ECDS][names.AGENCY_FILTER]["typed_config"]
    scope = names.route_config(call.operation.path.split("/")[1])
    host = found[protos.RDS][scope]["virtual_hosts"][0]
    route = next(r for r in routes_in(host["matcher"]) if r["name"] == call.operation.name)
    rbac = route["typed_per_filter_config"][names.AGREEMENT_FILTER]["rbac"]
    answer: dict[str, str | None] = {}
    switched_on = names.CLASS_FILTER in route["typed_per_filter_config"]
    class_filter = found[protos.ECDS][names.CLASS_FILTER]["typed_config"]
    members = outcome(class_filter["shadow_matcher"], call) if "shadow_matcher" in class_filter else None
    call.left.clear()
    if switched_on and members is not None:
        call.left[names.CLASS_KEY] = members[0]
    stopped = outcome(stop_filter["matcher"], call)
    assert stopped is not None
    if not stopped[1]:
        return {"refused": stopped[0]}
    for key, document in (("agency", agency_filter), ("agreement", rbac)):
        decided = outcome(document["matcher"], call)
        assert decided is not None
        if not decided[1]:
            return {"refused": decided[0]}
        answer[key] = decided[0]
        shadow = outcome(document["shadow_matcher"], call) if "shadow_matcher" in document else None
        answer[f"{key}_shadow"] = shadow[0] if shadow else None
        if key == "agency" and shadow:
            call.left[names.SYSTEM_KEY] = shadow[0]
    return answer


def reference(snapshot: Snapshot, call: Call) -> dict[str, str | None]:
    """Say what the plain rules decide, in the words in which Envoy leaves it for the services."""
    decision = decide(snapshot, call.plain())
    if decision.refusal is not None:
        return {"refused": decision.refusal}
    _, _, kind, agency, name = call.san.split(":")
    who: dict[str, str | None] = {"agency": agency, "agency_shadow": name if kind == "agency" else None}
    if decision.agreement is None:
        login = f"{agency}:{name}" if kind == "operator" else None
        door = "operator" if call.operation.door == "operator" else "metadata"
        return who | {"agreement": door, "agreement_shadow": login}
    return who | {"agreement": decision.agreement.agreement_id, "agreement_shadow": None}


@st.composite
def agreements(draw: st.DrawFn, number: int) -> Agreement:
    members = draw(st.sampled_from([None, None, *CLASSES]))
    consumer = f"CLASS_{members}" if members else draw(st.sampled_from(CODES))
    template = {"consumer_class": members} if members else {}
    operations = draw(st.lists(st.sampled_from([o.name for o in AGENCY_OPERATIONS]), min_size=1, unique=True))
    starts = draw(st.sampled_from([-30, 0, 1]))
    ends = draw(st.sampled_from([None, -1, 0, 30]))
    return agreement(
        f"DSA-{consumer}-{number}",
        operations,
        consumer_systems=tuple(draw(st.lists(st.sampled_from(["s1", "s2"]), unique=True))),
        purposes=tuple(draw(st.lists(st.sampled_from(PURPOSES[:2]), min_size=1, unique=True))),
        state=draw(
            st.sampled_from([AgreementState.ACTIVE, AgreementState.SUSPENDED, AgreementState.EXPIRED])
        ),
        valid_from=TODAY + timedelta(days=min(starts, ends if ends is not None else starts)),
        valid_to=None if ends is None else TODAY + timedelta(days=ends),
        conditions=Conditions(officer_required=draw(st.booleans()), case_required=draw(st.booleans())),
        **template,
    )


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    states = st.sampled_from(["ACTIVE", "ACTIVE", "ACTIVE", "SUSPENDED", "CLOSED", "REGISTERED"])
    on_off = st.sampled_from(["ACTIVE", "ACTIVE", "CLOSED"])
    known = draw(st.lists(st.sampled_from(CODES), unique=True))
    entries = [
        AgencyEntry(
            c,
            draw(states),
            [SystemEntry(s, draw(on_off)) for s in draw(st.sampled_from(SYSTEMS))],
            draw(st.sampled_from(CLASSES)),
        )
        for c in known
    ]
    revocable = [names.agency_san(c, "s1") for c in known]
    return Snapshot(
        agencies=entries,
        operators=[OperatorEntry(c, "an", ["operator"], draw(on_off)) for c in known],
        revoked={san: ["aa"] for san in revocable if draw(st.booleans())},
        agreements=[draw(agreements(n)) for n in range(1, 1 + draw(st.integers(0, 6)))],
        operations=OPERATIONS,
        material=MATERIAL,
        doors=DOORS,
        today=TODAY,
    )


SYSTEMS = [[], ["s1"], ["s1", "s2"]]
CALLS = st.builds(
    Call,
    san=st.builds(
        lambda kind, code, name: f"urn:ndx:{kind}:{code}:{name}",
        st.sampled_from(["agency", "agency", "agency", "operator"]),
        st.sampled_from(CODES),
        st.sampled_from(["s1", "s2", "an"]),
    ),
    fingerprint=st.sampled_from(["aa", "bb"]),
    operation=st.sampled_from(AGENCY_DOOR),
    purpose=st.sampled_from([None, "", *(p.value for p in PURPOSES)]),
    officer=st.sampled_from([None, "", "officer"]),
    case=st.sampled_from([None, "case"]),
)


class TestDecision:
    @settings(max_examples=150, deadline=None)
    @given(snapshots(), st.lists(CALLS, min_size=5, max_size=20))
    def test_the_compiled_trees_decide_as_the_rules_say(self, snapshot: Snapshot, calls: list[Call]) -> None:
        found = documents(compile_resources(snapshot))
        for call in calls:
            expected = reference(snapshot, call)
            assert compiled(found, call) == expected

    @given(st.sampled_from(OPERATIONS), st.text("09azAZ.-_~", min_size=1), st.booleans())
    def test_the_kill_switch_fits_every_path_of_the_operation(
        self, operation: Operation, value: str, query: bool
    ) -> None:
        path = re.sub(r"\{\w+\}", value, operation.path)
        fits = path_regex(operation.path)
        assert re.fullmatch(fits, path + ("?a=/b" if query else ""))
        assert not re.fullmatch(fits, path + "/more")
        assert not re.fullmatch(fits, "/elsewhere" + path)

    def test_a_suspension_of_reads_by_number_does_not_bar_a_word_in_the_number_s_place(self) -> None:
        others = ["/persons/verify", "/persons/{id}", "/persons/{id}/parents", "/{x}/verify", "/a/b"]
        assert nearer_paths("/persons/{id}", others) == ["/persons/verify"]
        assert nearer_paths("/{x}/verify", others) == ["/persons/verify", "/persons/{id}"]
        assert nearer_paths("/persons/verify", others) == []
