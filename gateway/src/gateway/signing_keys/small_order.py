"""Which Ed25519 keys bind nobody: under a point of small order one signature fits many messages."""

_PRIME = 2**255 - 19
_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL = frozenset({0, 1, _PRIME - 1, _ORDER_8, _PRIME - _ORDER_8, _PRIME, _PRIME + 1})
"""The y-coordinates of the eight points, those of 0 and 1 in both ways in which 255 bits can write them."""


def is_small_order(raw: bytes) -> bool:
    """Tell whether 32 bytes name a point of order 1, 2, 4 or 8; the top bit is the sign of x."""
    return int.from_bytes(raw, "little") & (2**255 - 1) in _SMALL
