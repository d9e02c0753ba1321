"""Change feeds for an agency's own programs: follow by pull, or check what a webhook received.

feed = Feed(ndx, subscription_id)
for event in feed.follow():
store(event)  # acknowledged when the next one is asked for
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from ndx_contracts.signatures import Request, keys_of, verify

from ndx_client.client import NdxClient

WEBHOOK_TAG = "ndx-feed"
PATH = "/v1/feeds/subscriptions/{id}"


class Feed:
    """One subscription that is pulled."""

    def __init__(self, client: NdxClient, subscription: str) -> None:
        self._client = client
        self._path = {"id": subscription}

    def pull(self, *, limit: int = 100, wait: float = 0) -> dict[str, Any]:
        """Return the oldest events that are not acknowledged: `items`, `next_cursor`, `more`."""
        params = {"limit": str(limit), "wait": f"{wait:g}"}
        page: dict[str, Any] = self._client.call(f"GET {PATH}/events", path=self._path, params=params).json()
        return page

    def acknowledge(self, cursor: str) -> dict[str, Any]:
        """Say that everything up to a cursor is safe: it does not come again."""
        done: dict[str, Any] = self._client.call(
            f"POST {PATH}/acks", path=self._path, json={"cursor": cursor}
        ).json()
        return done

    def follow(self, *, limit: int = 100, wait: float = 10, once: bool = False) -> Iterator[dict[str, Any]]:
        """Yield events for ever, each page acknowledged when all of it was taken; `once`: until none waits.

        Whoever is broken off gets the page again: the ids tell what was there before.
        """
        while True:
            page = self.pull(limit=limit, wait=0 if once else wait)
            yield from page["items"]
            if page["next_cursor"] is not None:
                self.acknowledge(page["next_cursor"])
            if once and not page["more"]:
                return


def signing_keys(client: NdxClient) -> dict[str, Ed25519PublicKey]:
    """Return the keys by which the exchange signs, by id; keep them, and ask again for an unknown id."""
    return keys_of(client.send("GET", "/v1/feeds/signing-keys").json())


def read_webhook(
    url: str, headers: Mapping[str, str], body: bytes, keys: Mapping[str, Ed25519PublicKey]
) -> dict[str, Any]:
    """Check the signature of a received delivery and return its event; `url` is the endpoint as subscribed.

    Raises:
        SignatureInvalid: it does not come from the exchange as it is, or is older than five minutes.
        ValueError: the signed body is no JSON object.
    """
    verify(Request("POST", url, dict(headers), body), keys, tag=WEBHOOK_TAG)
    event = json.loads(body)
    if not isinstance(event, dict):
        raise ValueError("the body is no event")  # noqa: TRY004 - as for any other body that is no event
    return event


def read_webhook_batch(
    url: str, headers: Mapping[str, str], body: bytes, keys: Mapping[str, Ed25519PublicKey]
) -> list[dict[str, Any]]:
    """Check the signature of a received delivery and return its events, in order: one, or a list of them.

    Raises:
        SignatureInvalid: it does not come from the exchange as it is, or is older than five minutes.
        ValueError: the signed body holds something else.
    """
    verify(Request("POST", url, dict(headers), body), keys, tag=WEBHOOK_TAG)
    found = json.loads(body)
    events = found if isinstance(found, list) else [found]
    if not all(isinstance(event, dict) for event in events):
        raise ValueError("the body holds no events")
    return events
