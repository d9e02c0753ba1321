"""RFC 9457 problem documents as every part of ndx writes them."""

from pydantic import BaseModel, ConfigDict


class FieldProblem(BaseModel):
    """One thing that is wrong with one member of the input; never the offending value."""

    model_config = ConfigDict(frozen=True)

    field: str
    code: str
    detail: str


class Problem(BaseModel):
    """Body of `application/problem+json`."""

    model_config = ConfigDict(frozen=True)

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    trace_id: str | None = None
    errors: tuple[FieldProblem, ...] = ()


MEDIA_TYPE = "application/problem+json"


def problem_type(code: str) -> str:
    """Return the relative reference of a code's documentation page."""
    return f"/problems/{code}"
