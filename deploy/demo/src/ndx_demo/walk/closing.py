"""A death closes what hangs on the person, without anybody being told by hand."""

from datetime import datetime

from ndx_chassis.agreements import VIETNAM

from ndx_demo.population.cast import Person
from ndx_demo.walk.birth import COMMUNE, ONE_STOP
from ndx_demo.walk.steps import Walk
from ndx_demo.walk.verification import ask_whether_alive

DEATHS = "/civil-registry/v1/deaths"
ACCOUNTS = "/identity/v1/accounts"
TAXPAYERS = "/tax/v1/taxpayers"
EID, TAX = "ELECTRONIC_IDENTIFICATION", "TAX_ADMINISTRATION"


def register_death(walk: Walk, elder: Person) -> None:
    """Give an old person an e-ID account and a tax record, register the death, and see both closed."""
    police, tax = walk.door("G01/police-office"), walk.door("G04/tax-office")
    number, day = elder.personal_id, elder.birth_date.isoformat()
    application = {"personal_id": number, "level": 2, "birth_date": day, "birth_name": elder.full_name}
    account = walk.step(
        "An old person of the commune has an e-ID account",
        f"POST {ACCOUNTS}",
        lambda: police.post(ACCOUNTS, application, purpose=EID, key=f"elder-{walk.run_id}"),
        expect=201,
        outcome=lambda b: str(b["state"]),
    )
    walk.step(
        "The person pays taxes",
        f"POST {TAXPAYERS}",
        lambda: tax.post(TAXPAYERS, {"personal_id": number}, purpose=TAX, key=f"elder-{walk.run_id}"),
        expect=200,
        outcome=lambda b: str(b["state"]),
    )
    declaration = {
        "office": COMMUNE,
        "deceased": {
            "personal_id": number,
            "name": elder.full_name,
            "sex": elder.sex,
            "birth_date": day,
            "last_residence": elder.residence,
        },
        "died_on": datetime.now(VIETNAM).date().isoformat(),
        "death_place": "Bệnh viện Đa khoa Minh Họa",
        "notice_number": f"GBT-{walk.run_id}",
        "declarant": {"name": "Người khai minh họa", "relation": "RELATIVE"},
    }
    walk.step(
        "The commune registers the person's death",
        f"POST {DEATHS}",
        lambda: walk.door(ONE_STOP).post(
            DEATHS, declaration, purpose="CIVIL_REGISTRATION", key=f"death-{walk.run_id}"
        ),
        expect=201,
        outcome=lambda b: f"{b['status']}, number {b['register_number']['text']} in the register",
    )
    walk.step(
        "The e-ID account is locked for ever",
        f"GET {ACCOUNTS}/{{account_id}}",
        lambda: police.get(f"{ACCOUNTS}/{account['account_id']}", purpose=EID),
        expect=200,
        outcome=lambda b: f"{b['state']} by {', '.join(b['lock_causes'])}",
        until=lambda b: "DEATH" in b.get("lock_causes", ()),
    )
    walk.step(
        "The tax record is closed",
        f"GET {TAXPAYERS}/{{personal_id}}",
        lambda: tax.get(f"{TAXPAYERS}/{number}", purpose=TAX),
        expect=200,
        outcome=lambda b: str(b["state"]),
        until=lambda b: b.get("state") == "DECEASED_CLOSE",
    )
    ask_whether_alive(walk, elder)
