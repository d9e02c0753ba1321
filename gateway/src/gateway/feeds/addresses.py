"""Which addresses a webhook may have: those of the open internet, and networks that the operator lists."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
_NAT64 = IPv6Network("64:ff9b::/96")


def networks(listed: Iterable[str]) -> tuple[Network, ...]:
    """Read networks in CIDR form.

    Raises:
        ValueError: one of them is none.
    """
    return tuple(ip_network(one) for one in listed)


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address to which an IPv6 one leads, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    inside = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    return inside or address


def may_be_called(address: str, listed: Iterable[Network]) -> bool:
    """Tell whether an address may be called; loopback, private, link-local, reserved ones only if listed."""
    try:
        found = _meant(ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    if any(found.version == network.version and found in network for network in listed):
        return True
    if isinstance(found, IPv6Address) and (found.is_reserved or found.is_site_local):
        # Global by their numbers, but they lead inside: ::10.0.0.1, 64:ff9b:1::/48, fec0::/10.
        return False
    return found.is_global and not found.is_multicast
