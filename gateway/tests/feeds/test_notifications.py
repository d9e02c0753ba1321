"""OSIA's notification file over feeds: the unmodified file judges answers and messages."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from aiohttp import web
from gateway.app import create_app
from gateway.feeds.calling import TAG
from gateway.notifications.vocabulary import NOT_SERVED
from jsonschema import Draft7Validator
from ndx_chassis.app import Runtime
from ndx_contracts.signatures import keys_of, verify

from .conftest import DEAD, FOLLOW, GROUPS, death
from .receivers import Receiver, push, receiving

pytestmark = pytest.mark.integration
Do = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[3]
BASE = "/v1/osia/notification"
TOPIC = "population.person-deceased.v1"


def as_text(node: Any) -> Any:
    """Return the document with text keys: OpenAPI wants response codes as text, the file has numbers."""
    if isinstance(node, dict):
        return {str(key): as_text(value) for key, value in node.items()}
    return [as_text(item) for item in node] if isinstance(node, list) else node


FILE: dict[str, Any] = as_text(yaml.safe_load((ROOT / "contracts/osia/notification.yaml").read_text("utf-8")))
OPERATIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    body["operationId"]: (method, path, body)
    for path, item in FILE["paths"].items()
    for method, body in item.items()
}


def judged(schema: dict[str, Any], found: Any) -> Any:
    validator = Draft7Validator({**schema, "components": FILE["components"]})
    assert [e.message for e in validator.iter_errors(found)] == []
    return found


@pytest.fixture
def service_settings(service_settings: dict[str, Any], state_dir: Path) -> dict[str, Any]:
    for name in ("webhooks.crt", "webhooks.key", "gateway-ca.crt"):
        (service_settings["state_dir"] / name).symlink_to(state_dir / name)
    return service_settings | {"webhook_networks": ("127.0.0.0/8", "::1/128"), "webhook_seconds": 5.0}


@pytest.fixture
async def receiver(tmp_path: Path, state_dir: Path) -> AsyncIterator[Receiver]:
    async with receiving(tmp_path, state_dir, "osia") as made:
        yield made


@pytest.fixture
def osia(client: httpx.AsyncClient, as_agency: Do) -> Do:
    """Call an operation of the file: `await osia("subscribe", topic=…)`; its judged JSON, or None."""

    async def call(
        operation: str,
        status: int = 200,
        *,
        agency: str = "B01",
        uuid: str = "",
        purpose: str = "",
        **query: Any,
    ) -> Any:
        method, path, body = OPERATIONS[operation]
        headers = as_agency(agency, system="core", agreement="")
        headers = {k: v for k, v in headers.items() if k != "NDX-Purpose"} | (
            {"NDX-Purpose": purpose} if purpose else {}
        )
        url = BASE + path.replace("{uuid}", uuid)
        reply = await client.request(method, url, params=query, headers=headers)
        assert reply.status_code == status, reply.text
        response = body["responses"].get(str(status))
        if status in {401, 403, 429, 503}:
            assert response is None
            return reply.json()
        if "content" not in response:
            assert reply.content == b""
            return None
        return judged(response["content"]["application/json"]["schema"], reply.json())

    return call


def messages_of(receiver: Receiver) -> list[dict[str, Any]]:
    """Return what the address got, each judged by the file's callback."""
    callback = OPERATIONS["subscribe"][2]["callbacks"]["onEvent"]["{$request.query.address}"]["post"]
    for request, message in zip(receiver.requests, receiver.got, strict=True):
        judged(callback["requestBody"]["content"]["application/json"]["schema"], message)
        for parameter in callback["parameters"]:
            judged(parameter["schema"], request.headers[parameter["name"]])
        assert request.headers["message-type"] == message["type"]
        assert request.headers["message-id"] == message["messageId"]
        assert request.headers["topic-id"] == message["topic"]
    return receiver.got


class TestFile:
    def test_every_operation_is_there_with_the_files_parameters(self):
        paths = create_app().openapi()["paths"]
        for operation, (method, path, body) in OPERATIONS.items():
            ours = paths[BASE + path][method]
            assert ours["operationId"] == "osia_" + re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).lower()
            stated = {(p["in"], p["name"], p.get("required", False)) for p in body.get("parameters", [])}
            offered = {(p["in"], p["name"], p.get("required", False)) for p in ours.get("parameters", [])}
            assert offered == stated

    def test_the_page_for_agencies_says_what_is_not_served_and_why(self):
        page = (ROOT / "docs/agencies/osia.md").read_text("utf-8")
        for operation, (_, _, body) in OPERATIONS.items():
            (scope,) = body["security"][0]["BearerAuth"]
            answer = f"1020: {NOT_SERVED[operation]}" if operation in NOT_SERVED else "served"
            assert f"| {operation} | `{scope}` | {answer} |" in page

    @pytest.mark.parametrize("operation", sorted(NOT_SERVED))
    async def test_the_reason_is_told(self, osia: Do, bus: Any, operation: str):
        uuid = "" if operation == "createTopic" else "T1"
        query = {"name": "x"} if operation == "createTopic" else {}
        told = await osia(operation, 400, uuid=uuid, **query)
        assert told == {"code": 1020, "message": NOT_SERVED[operation]}


class TestSubscribe:
    async def test_an_address_confirms_and_then_gets_what_the_agreement_lets_out_with_a_record(
        self,
        receiver: Receiver,
        osia: Do,
        ask: Do,
        agreement: str,
        deliver: Do,
        runtime: Runtime,
        disclosed: Do,
    ):
        made = await osia("subscribe", topic=TOPIC, protocol="http", address=receiver.url, policy="60,4")
        assert (made["active"], made["policy"], made["address"]) == (False, "60,4", receiver.url)
        topics = {one["name"]: one["uuid"] for one in await osia("listTopics")}
        assert made["topic"] == topics[TOPIC]
        (asked,) = messages_of(receiver)
        assert asked["type"] == "SubscriptionConfirmation"
        await deliver(death())
        await push(runtime, made["uuid"])
        assert len(receiver.got) == 1
        assert (await ask("GET", f"/subscriptions/{made['uuid']}"))["waiting"] == 0
        for _ in range(2):
            await osia("confirm", token=asked["token"])
        assert [one["active"] for one in await osia("listSubscription")] == [True]
        assert await disclosed() == []
        await deliver(death(version=3))
        await push(runtime, made["uuid"])
        _, told = messages_of(receiver)
        assert (told["type"], told["subject"], told["topic"]) == ("Notification", TOPIC, made["topic"])
        event = json.loads(told["message"])
        assert (event["id"], event["data"]["personal_id"]) == (told["messageId"], DEAD)
        assert set(event["data"]) <= {"personal_id", "died_on", "province_code", "commune_code"}
        keys = keys_of(await ask("GET", "/signing-keys"))
        assert verify(receiver.requests[1], keys, tag=TAG) in keys
        (record,) = await disclosed()
        assert (record["subjects"], record["agency"], record["agreement"]) == ([DEAD], "B01", agreement)
        assert record["operation"] == "population.follow_every_person_deceased"

    async def test_the_same_topic_and_address_is_one_subscription_and_is_asked_again_until_it_confirms(
        self, receiver: Receiver, osia: Do, agreement: str
    ):
        one = await osia("subscribe", topic=TOPIC, address=receiver.url)
        same = await osia("subscribe", topic=one["topic"], address=receiver.url)
        assert same == one
        first, second = messages_of(receiver)
        assert first["token"] == second["token"]
        await osia("confirm", token=first["token"])
        assert (await osia("subscribe", topic=TOPIC, address=receiver.url))["active"]
        assert len(receiver.got) == 2
        await osia("unsubscribe", 204, uuid=one["uuid"])
        await osia("unsubscribe", 404, uuid=one["uuid"])
        assert await osia("listSubscription") == []
        assert (await osia("confirm", 400, token=first["token"]))["code"] == 1036
        assert (await osia("subscribe", topic=TOPIC, address=receiver.url))["uuid"] != one["uuid"]

    async def test_two_calls_at_once_make_one_subscription(
        self, receiver: Receiver, osia: Do, agreement: str
    ):
        made = await asyncio.gather(*(osia("subscribe", topic=TOPIC, address=receiver.url) for _ in range(4)))
        assert len({one["uuid"] for one in made}) == 1
        assert len(await osia("listSubscription")) == 1

    async def test_nobody_skips_the_confirmation(self, receiver: Receiver, osia: Do, agreement: str, ask: Do):
        made = await osia("subscribe", topic=TOPIC, address=receiver.url)
        refused = await ask("POST", f"/subscriptions/{made['uuid']}/resume", None, 409)
        assert refused["code"] == "feed-step-refused"
        assert [one["active"] for one in await osia("listSubscription")] == [False]

    async def test_an_address_that_is_not_there_is_not_active_and_can_be_asked_again(
        self, tmp_path: Path, state_dir: Path, osia: Do, agreement: str, ask: Do
    ):
        async with receiving(tmp_path, state_dir, "gone") as gone:
            url = gone.url
        made = await osia("subscribe", topic=TOPIC, address=url)
        assert not made["active"]
        (attempt,) = (await ask("GET", f"/subscriptions/{made['uuid']}/attempts"))["items"]
        assert (attempt["error"], attempt["delivered"]) == ("not-reachable", False)

    async def test_under_an_agreement_on_people_of_interest_only_they_come(
        self,
        receiver: Receiver,
        osia: Do,
        enact: Do,
        post: Do,
        agreement: str,
        deliver: Do,
        runtime: Runtime,
        ask: Do,
    ):
        await post("NDX:an", f"/v1/agreements/{agreement}/terminate", {"reason": "replaced"})
        await enact({FOLLOW: GROUPS})
        made = await osia("subscribe", topic=TOPIC, address=receiver.url)
        await osia("confirm", token=messages_of(receiver)[0]["token"])
        await deliver(death())
        await push(runtime, made["uuid"])
        assert len(receiver.got) == 1
        shown = await ask("GET", f"/subscriptions/{made['uuid']}")
        assert (shown["people"], shown["form"]) == ("OF_INTEREST", "OSIA")

    async def test_what_is_no_subscription_is_refused_with_its_number(
        self, osia: Do, agreement: str, enact: Do
    ):
        url = "https://bank.example/hook"
        for query, code in (
            ({"topic": "population.person-married.v1", "address": url}, 1030),
            ({"topic": TOPIC, "address": url, "protocol": "email"}, 1031),
            ({"topic": TOPIC, "address": url, "policy": "3600,-1"}, 1032),
            ({"topic": TOPIC, "address": url, "policy": "7200,3"}, 1032),
            ({"topic": TOPIC, "address": url, "policy": "often"}, 1000),
            ({"topic": TOPIC, "address": "http://bank.example/hook"}, 1033),
            ({"topic": TOPIC, "address": "https://10.0.0.1/hook"}, 1033),
            ({"topic": TOPIC, "address": "https://bank.example:99999/hook"}, 1033),
            ({"topic": TOPIC, "address": "https://[::1/hook"}, 1033),
            ({"topic": TOPIC, "address": f"https://bank.example/{DEAD}"}, 1000),
            ({"topic": TOPIC}, 1000),
        ):
            refused = await osia("subscribe", 400, **query)
            assert refused["code"] == code, (query, refused)
            assert DEAD not in refused["message"]
        assert await osia("listSubscription") == []

    async def test_the_agreement_decides_on_topic_and_purpose(self, osia: Do, agreement: str):
        url = "https://bank.example/hook"
        other = await osia("subscribe", 403, topic="population.person-changed.v1", address=url)
        assert other["code"] == "no-agreement"
        purpose = await osia("subscribe", 403, topic=TOPIC, address=url, purpose="STATISTICS")
        assert purpose["code"] == "no-agreement"

    async def test_of_several_purposes_one_is_named(
        self, receiver: Receiver, osia: Do, agreement: str, enact: Do, post: Do
    ):
        await post("NDX:an", f"/v1/agreements/{agreement}/terminate", {"reason": "replaced"})
        purposes = ["CREDIT_INSTITUTION_KYC", "PUBLIC_SERVICE_DELIVERY"]
        await enact({FOLLOW: GROUPS}, purposes=purposes)
        refused = await osia("subscribe", 400, topic=TOPIC, address=receiver.url)
        assert refused["code"] == 1035
        assert await osia("subscribe", topic=TOPIC, address=receiver.url, purpose=purposes[1])


class TestConfirm:
    async def test_a_token_is_of_one_address_and_one_agency(
        self, receiver: Receiver, osia: Do, agreement: str, ask: Do, post: Do
    ):
        made = await osia("subscribe", topic=TOPIC, address=receiver.url)
        token = messages_of(receiver)[0]["token"]
        other = token[:-2] + ("AA" if token[-2:] != "AA" else "BB")
        for wrong, agency in ((other, "B01"), ("A" * 64, "B01"), (token, "G01")):
            assert (await osia("confirm", 400, token=wrong, agency=agency))["code"] == 1034
        assert (await osia("confirm", 400, token="x"))["code"] == 1000
        await osia("unsubscribe", 404, uuid=made["uuid"], agency="G01")
        # An operator's stop is not undone by a token.
        await post("NDX:an", f"/v1/feed-subscriptions/{made['uuid']}/suspend", {"reason": "an inquiry"})
        assert (await osia("confirm", 400, token=token))["code"] == 1036
        assert [one["active"] for one in await osia("listSubscription")] == [False]

    async def test_an_operators_steps_do_not_stand_for_it(
        self, receiver: Receiver, osia: Do, agreement: str, ask: Do, post: Do, deliver: Do
    ):
        made = await osia("subscribe", topic=TOPIC, address=receiver.url)
        token = messages_of(receiver)[0]["token"]
        for step in ("suspend", "release"):
            await post("NDX:an", f"/v1/feed-subscriptions/{made['uuid']}/{step}", {"reason": "an inquiry"})
            await deliver(death())
            assert (await ask("GET", f"/subscriptions/{made['uuid']}"))["waiting"] == 0
        refused = await ask("POST", f"/subscriptions/{made['uuid']}/resume", None, 409)
        assert refused["code"] == "feed-step-refused"
        await osia("confirm", token=token)
        assert [one["active"] for one in await osia("listSubscription")] == [True]

    async def test_a_token_given_again_does_not_undo_a_pause(
        self, receiver: Receiver, osia: Do, agreement: str, ask: Do
    ):
        made = await osia("subscribe", topic=TOPIC, address=receiver.url)
        token = messages_of(receiver)[0]["token"]
        await osia("confirm", token=token)
        await ask("POST", f"/subscriptions/{made['uuid']}/pause")
        await osia("confirm", token=token)
        assert (await ask("GET", f"/subscriptions/{made['uuid']}"))["state"] == "PAUSED"

    async def test_another_form_of_feed_is_neither_listed_nor_ended(self, osia: Do, feed: str, ask: Do):
        assert await osia("listSubscription") == []
        await osia("unsubscribe", 404, uuid=feed)
        assert (await ask("GET", f"/subscriptions/{feed}"))["state"] == "ACTIVE"

    async def test_the_address_may_confirm_while_it_is_asked(
        self, receiver: Receiver, osia: Do, agreement: str
    ):
        async def at_once(request: web.Request) -> web.Response:
            await osia("confirm", token=json.loads(await request.read())["token"])
            return web.Response()

        receiver.behave = at_once
        await osia("subscribe", topic=TOPIC, address=receiver.url)
        assert [one["active"] for one in await osia("listSubscription")] == [True]
