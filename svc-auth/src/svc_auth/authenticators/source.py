"""Where an attempt comes from: the address that the gateway saw."""

from ipaddress import IPv4Address, IPv6Network, ip_address

from fastapi import Request

_LINE = 64
"""Bits of an IPv6 address that name a line; behind them its holder takes any address they like."""


def source_of(request: Request) -> str:
    """Return the last address of X-Forwarded-For, which the gateway appends; only it can connect here."""
    forwarded = request.headers.get("x-forwarded-for", "").rsplit(",", 1)[-1].strip()
    if forwarded:
        return _line(forwarded)
    return _line(request.client.host) if request.client else "unknown"


def _line(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return text[:64]
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address), _LINE), strict=False))
