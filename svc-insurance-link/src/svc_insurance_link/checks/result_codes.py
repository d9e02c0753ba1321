"""The national result codes of card checks, as data."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class ResultCode:
    """One row of the table: its words, and what the clerk should do."""

    code: str
    text_vi: str
    text_en: str
    action: str
    action_vi: str
    action_en: str
    covered: bool


@cache
def result_codes() -> dict[str, ResultCode]:
    """Return the table by code."""
    document = json.loads(files(__package__).joinpath("result_codes.json").read_text(encoding="utf-8"))
    actions = document["actions"]
    return {
        row["code"]: ResultCode(
            code=row["code"],
            text_vi=row["vi"],
            text_en=row["en"],
            action=row["action"],
            action_vi=actions[row["action"]]["vi"],
            action_en=actions[row["action"]]["en"],
            covered=row["covered"],
        )
        for row in document["codes"]
    }


@cache
def code_of_end_cause() -> dict[str, str]:
    """Return which code tells of an entitlement that ended early, by cause."""
    document = json.loads(files(__package__).joinpath("result_codes.json").read_text(encoding="utf-8"))
    return dict(document["end_causes"])


@cache
def code_of_group() -> dict[str, str]:
    """Return which code stands in place of 000 for participant groups insured by army and police."""
    document = json.loads(files(__package__).joinpath("result_codes.json").read_text(encoding="utf-8"))
    return dict(document["groups"])
