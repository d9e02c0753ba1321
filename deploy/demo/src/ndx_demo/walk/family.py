"""Who walks: a couple of the synthetic population, another one each time, with an e-ID and a tax record."""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from ndx_chassis.agreements import VIETNAM
from ndx_client import citizen

from ndx_demo.door import StepFailed
from ndx_demo.loading import Loaded, loaded
from ndx_demo.population.cast import Couple, Person, couples, elders
from ndx_demo.walk.steps import Context, Walk

ACTIVATION_ATTEMPTS = 4
HOLDER_FILE = "demo-holder.json"
PASSCODE = "583206"
SPACING_DAYS = 300
"""Births of one mother lie at least so far apart; nearer ones would be suspected to be one birth."""
GIVEN_NAMES = ("An", "Bảo", "Chi", "Dung", "Giang", "Hà", "Khánh", "Lam", "Mai", "Ngân", "Phương", "Thảo")


@dataclass(frozen=True, slots=True)
class Family:
    """The parents of this walk and what their child will be called."""

    couple: Couple
    born: date
    given_name: str

    @property
    def child_name(self) -> str:
        return f"{self.couple.father.surname} Minh {self.given_name}"


@dataclass(frozen=True, slots=True)
class Holder:
    """A demo citizen with an e-ID account; secrets live in a file that only the owner reads."""

    personal_id: str
    passcode: str
    totp_secret: str


@lru_cache(maxsize=4)
def _couples(population: Loaded) -> tuple[Couple, ...]:
    return tuple(couples(population.people, seed=population.seed))


@lru_cache(maxsize=4)
def _elders(population: Loaded) -> tuple[Person, ...]:
    return tuple(elders(population.people, seed=population.seed))


def _population(context: Context) -> Loaded:
    found = loaded(context.home)
    if found is None:
        raise StepFailed("the stack holds no synthetic people yet; run: make demo")
    return found


def _write(file: Path, document: dict[str, Any]) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as target:
        json.dump(document, target, ensure_ascii=False)


def _progress(context: Context) -> tuple[Path, dict[str, Any]]:
    file = context.home / "demo-progress.json"
    return file, json.loads(file.read_text()) if file.exists() else {}


def _today() -> date:
    return datetime.now(VIETNAM).date()


def choose(context: Context) -> Family:
    """Return the next family, and remember that it had its turn, whatever becomes of this walk.

    Each couple has one child of yesterday. When all have had their turn they have another, born so long
    before the first walk of this stack that no rule takes two births for one.

    Raises:
        StepFailed: everybody has had two; the words say how to begin anew.
    """
    found = _couples(_population(context))
    file, progress = _progress(context)
    turn = int(progress.get("walks", 0))
    yesterday = _today() - timedelta(days=1)
    first = date.fromisoformat(progress.get("first_day", yesterday.isoformat()))
    turns, place = divmod(turn, len(found))
    if turns > 1:
        raise StepFailed(
            f"each of the {len(found)} couples walked twice; make down, then remove {context.home}"
        )
    _write(file, {**progress, "walks": turn + 1, "first_day": first.isoformat()})
    born = first - timedelta(days=SPACING_DAYS) if turns else yesterday
    family = Family(found[place], born, GIVEN_NAMES[turn % len(GIVEN_NAMES)])
    parents = {"mother": family.couple.mother, "father": family.couple.father}
    _write(
        context.home / "demo-family.json",
        {role: {**asdict(who), "birth_date": who.birth_date.isoformat()} for role, who in parents.items()},
    )
    return family


def choose_elder(context: Context) -> Person:
    """Return an old person of the commune whose death was not registered by a walk before.

    Raises:
        StepFailed: there is nobody left.
    """
    found = _elders(_population(context))
    file, progress = _progress(context)
    turn = int(progress.get("deaths", 0))
    if turn >= len(found):
        raise StepFailed(f"nobody old is left in the commune; make down, then remove {context.home}")
    _write(file, {**progress, "deaths": turn + 1})
    return found[turn]


def open_account(walk: Walk, mother: Person) -> Holder:
    """Open the mother's e-ID account at the police office; she activates it herself."""
    context = walk.context
    body = {
        "personal_id": mother.personal_id,
        "level": 2,
        "birth_date": mother.birth_date.isoformat(),
        "birth_name": mother.full_name,
    }
    opened = walk.step(
        "The police office opens the mother's e-ID account",
        "POST /identity/v1/accounts",
        lambda: walk.door("G01/police-office").post(
            "/identity/v1/accounts",
            body,
            purpose="ELECTRONIC_IDENTIFICATION",
            key=f"mother-{walk.run_id}",
        ),
        expect=201,
        outcome=lambda b: f"{b['state']}, level {b['level']}",
    )
    with citizen.citizen_http(context.citizen_url, context.ca) as http:
        activated = _when_known(
            lambda: citizen.activate(
                http,
                handle=mother.personal_id,
                activation_code=opened["activation_code"],
                passcode=PASSCODE,
            )
        )
    holder = Holder(mother.personal_id, PASSCODE, activated.totp_secret)
    _write(context.home / HOLDER_FILE, asdict(holder))
    return holder


def _pauses() -> Iterator[float]:
    yield 0.5
    yield from (3.0 for _ in range(ACTIVATION_ATTEMPTS - 2))


def _when_known(activate: Callable[[], citizen.Activation]) -> citizen.Activation:
    # The account reaches the e-ID provider by an event, and wrong attempts are counted: so only a few.
    time.sleep(0.5)
    for pause in _pauses():
        try:
            return activate()
        except citizen.LoginRefused:
            time.sleep(pause)
    return activate()


def register_taxpayer(walk: Walk, father: Person) -> None:
    """Register the father as a taxpayer, so that the child becomes his dependant."""
    walk.step(
        "The tax office registers the father under his personal number",
        "POST /tax/v1/taxpayers",
        lambda: walk.door("G04/tax-office").post(
            "/tax/v1/taxpayers",
            {"personal_id": father.personal_id, "name": father.full_name},
            purpose="TAX_ADMINISTRATION",
            key=f"father-{walk.run_id}",
        ),
        expect=200,
        outcome=lambda b: str(b["state"]),
    )
