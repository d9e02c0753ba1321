"""Webhooks are not led into the inside: whatever form an inner address has, it is refused."""

import pytest
from gateway.feeds.addresses import may_be_called, networks


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",  # noqa: S104 - not bound, refused
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "::7f00:1",
        "64:ff9b:1::a00:1",
        "fec0::1",
        "localhost",
        "",
    ],
)
def test_inner_addresses_are_refused(address: str):
    assert not may_be_called(address, ())


@pytest.mark.parametrize("address", ["1.1.1.1", "203.162.4.190", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_the_open_internet_is_not(address: str):
    assert may_be_called(address, ())


def test_what_the_operator_lists_is_allowed_and_nothing_beside_it():
    listed = networks(["127.0.0.0/8", "fd00::/8"])
    assert may_be_called("127.0.0.1", listed)
    assert may_be_called("::ffff:127.0.0.1", listed)
    assert may_be_called("fd00::7", listed)
    assert not may_be_called("10.0.0.1", listed)
    assert not may_be_called("::1", listed)
