"""How strict the bodies are that cross a service's border: those sent, read and answered."""

from pydantic import BaseModel, ConfigDict


class Input(BaseModel):
    """What a caller sends: unknown members are refused, text is trimmed."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True)


class Reading(BaseModel):
    """What a caller reads of an answer: members it does not name may come and go."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Output(BaseModel):
    """What a service answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)
