"""A small country with second records of some people, and with people who only look like others."""

import pytest
from ndx_demo.population.duplicates import Truth, with_duplicates
from ndx_demo.population.rows import lines
from svc_population.imports.service import load_persons

PEOPLE = 3_000


@pytest.fixture
async def truth(database_url: str) -> list[Truth]:
    """Load the country; give what is known of its look-alikes."""
    found: list[Truth] = []
    people = with_duplicates(lines(PEOPLE, seed=5), seed=5, share=0.3, truth=found)
    await load_persons(database_url, people, source="import:test")
    return found
