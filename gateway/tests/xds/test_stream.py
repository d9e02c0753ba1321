"""The delta protocol, without a network: what one Envoy is sent and when it counts as settled."""

from typing import Any

from gateway.xds import protos
from gateway.xds.resources import Resource, Resources
from gateway.xds.stream import Stream
from google.protobuf import any_pb2


def resources(**kinds: dict[str, str]) -> Resources:
    """Return resources by short type name, name and version."""
    return {
        getattr(protos, kind): {n: Resource(n, any_pb2.Any(), v) for n, v in found.items()}
        for kind, found in kinds.items()
    }


def request(kind: str, **fields: Any) -> Any:
    return protos.discovery_pb2.DeltaDiscoveryRequest(type_url=getattr(protos, kind), **fields)


def acknowledge(stream: Stream, answer: Any, reason: str = "") -> None:
    made = protos.discovery_pb2.DeltaDiscoveryRequest(type_url=answer.type_url, response_nonce=answer.nonce)
    if reason:
        made.error_detail.message = reason
    stream.take(made)


def sent(answers: list[Any]) -> list[tuple[str, list[str], list[str]]]:
    return [
        (a.type_url.rpartition(".")[2], [r.name for r in a.resources], list(a.removed_resources))
        for a in answers
    ]


def settle(stream: Stream, current: Resources) -> list[Any]:
    answers = list(stream.answers(current))
    for answer in answers:
        acknowledge(stream, answer)
    return answers


class TestStream:
    def test_a_type_without_resources_is_answered_once_and_not_at_each_acknowledgement(self) -> None:
        stream = Stream()
        stream.take(request("LDS"))
        assert sent(settle(stream, resources(LDS={}))) == [("Listener", [], [])]
        assert list(stream.answers(resources(LDS={}))) == []

    def test_a_name_that_does_not_exist_is_said_to_be_absent_once(self) -> None:
        stream = Stream()
        stream.take(request("RDS", resource_names_subscribe=["a", "b"]))
        current = resources(RDS={"a": "1"})
        assert sent(settle(stream, current)) == [("RouteConfiguration", ["a"], ["b"])]
        assert list(stream.answers(current)) == []
        assert sent(settle(stream, resources(RDS={"a": "1", "b": "1"}))) == [
            ("RouteConfiguration", ["b"], [])
        ]

    def test_only_what_changed_is_sent(self) -> None:
        stream = Stream()
        stream.take(request("CDS"))
        settle(stream, resources(CDS={"a": "1", "b": "1"}))
        assert sent(settle(stream, resources(CDS={"a": "1", "b": "2"}))) == [("Cluster", ["b"], [])]

    def test_additions_go_down_the_dependencies_and_removals_up(self) -> None:
        stream = Stream()
        stream.take(request("RDS", resource_names_subscribe=["r"]))
        stream.take(request("CDS"))
        first = settle(stream, resources(CDS={"c": "1"}, RDS={"r": "1"}))
        assert [name for name, _, _ in sent(first)] == ["Cluster", "RouteConfiguration"]
        last = sent(settle(stream, resources(CDS={"d": "1"}, RDS={"r": "2"})))
        assert last == [("Cluster", ["d"], []), ("RouteConfiguration", ["r"], []), ("Cluster", [], ["c"])]

    def test_after_a_reconnect_nothing_is_sent_that_envoy_still_has(self) -> None:
        stream = Stream()
        stream.take(request("CDS", initial_resource_versions={"a": "1", "b": "1", "gone": "1"}))
        answers = sent(settle(stream, resources(CDS={"a": "1", "b": "2"})))
        assert answers == [("Cluster", ["b"], []), ("Cluster", [], ["gone"])]

    def test_a_name_asked_for_again_is_sent_again(self) -> None:
        stream = Stream()
        stream.take(request("SDS", resource_names_subscribe=["s"]))
        current = resources(SDS={"s": "1"})
        settle(stream, current)
        stream.take(request("SDS", resource_names_subscribe=["s"]))
        assert sent(settle(stream, current)) == [("Secret", ["s"], [])]

    def test_a_dropped_name_is_not_sent_any_more(self) -> None:
        stream = Stream()
        stream.take(request("RDS", resource_names_subscribe=["a"]))
        settle(stream, resources(RDS={"a": "1"}))
        stream.take(request("RDS", resource_names_unsubscribe=["a"]))
        assert list(stream.answers(resources(RDS={"a": "2"}))) == []

    def test_it_is_behind_until_every_answer_is_acknowledged(self) -> None:
        stream, current = Stream(), resources(CDS={"a": "1"})
        stream.take(request("CDS"))
        assert stream.behind(current)
        (answer,) = stream.answers(current)
        assert stream.behind(current)
        acknowledge(stream, answer)
        assert not stream.behind(current)
        assert stream.behind(resources(CDS={"a": "2"}))

    def test_it_is_behind_until_it_has_asked_for_every_type(self) -> None:
        stream, current = Stream(), resources(CDS={"a": "1"}, RDS={"r": "1"})
        stream.take(request("CDS"))
        settle(stream, current)
        assert stream.behind(current)
        stream.take(request("RDS", resource_names_subscribe=["r"]))
        settle(stream, current)
        assert not stream.behind(current)

    def test_a_refused_version_is_remembered_not_sent_again_and_forgotten_with_the_next(self) -> None:
        stream = Stream()
        stream.take(request("CDS"))
        settle(stream, resources(CDS={"a": "1"}))
        (answer,) = stream.answers(resources(CDS={"a": "2"}))
        acknowledge(stream, answer, reason="no such thing")
        assert stream.subscriptions[protos.CDS].refused == "no such thing"
        assert list(stream.answers(resources(CDS={"a": "2"}))) == []
        assert sent(settle(stream, resources(CDS={"a": "1"}))) == [("Cluster", ["a"], [])]
        assert stream.subscriptions[protos.CDS].refused == ""
