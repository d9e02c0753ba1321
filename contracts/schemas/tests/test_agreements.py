"""What an agreement covers, compared with what it covered before."""

import pytest
from ndx_contracts.agreements import AdminScope

COUNTRY, HANOI = AdminScope(), AdminScope(provinces=("01",))
BOTH, COMMUNE = AdminScope(provinces=("01", "79")), AdminScope(communes=("00004",))


@pytest.mark.parametrize(
    ("now", "then", "includes"),
    [
        (COUNTRY, HANOI, True),
        (HANOI, COUNTRY, False),
        (HANOI, HANOI, True),
        (BOTH, HANOI, True),
        (HANOI, BOTH, False),
        (COMMUNE, COMMUNE, True),
        # A commune may lie in the province; who cannot tell refuses.
        (HANOI, COMMUNE, False),
    ],
)
def test_a_scope_includes_one_that_is_not_wider(now: AdminScope, then: AdminScope, *, includes: bool) -> None:
    assert now.includes(then) is includes
