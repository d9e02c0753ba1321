"""Redirect URIs: exact, with any port on a loopback address, and nothing else."""

import json

import pytest
from pydantic import ValidationError
from svc_auth.clients.registry import Client, load_clients

CLIENT = Client(
    client_id="ndx-demo",
    name="Demo",
    name_vi="Demo",
    redirect_uris=("https://app.example/back", "http://127.0.0.1/callback", "http://[::1]/callback"),
)


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example/back",
        "http://127.0.0.1/callback",
        "http://127.0.0.1:1/callback",
        "http://127.0.0.1:65000/callback",
        "http://[::1]:8080/callback",
    ],
)
def test_registered_addresses_fit(uri):
    assert CLIENT.allows(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example/back/",
        "https://app.example/back?x",
        "https://app.example:444/back",
        "https://APP.example/back",
        "http://127.0.0.1:80/other",
        "http://127.0.0.1:80/callback#f",
        "http://127.0.0.1:80/callback?x=1",
        "http://127.0.0.1:/callback",
        "http://127.0.0.1:80:81/callback",
        "http://127.0.0.1:80@evil.example/callback",
        "http://127.0.0.1:80\n/callback",
        "http://127.0.0.2:80/callback",
        "",
    ],
)
def test_everything_else_does_not(uri):
    assert not CLIENT.allows(uri)


@pytest.mark.parametrize(
    "uri",
    ["http://app.example/back", "https://app.example/#f", "javascript:alert(1)", "http://127.0.0.1:80/"],
)
def test_an_unsafe_address_cannot_be_registered(uri):
    entry = {"client_id": "app", "name": "A", "name_vi": "A", "redirect_uris": [uri]}
    with pytest.raises(ValidationError):
        load_clients(json.dumps([entry]))
