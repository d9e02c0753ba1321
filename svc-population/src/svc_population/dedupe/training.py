"""Use case: make a model of what strangers have in common in this register; nobody's data is in it."""

from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.ids import new_id

from svc_population.admin_units.service import today
from svc_population.dedupe import reading, repository
from svc_population.dedupe.engines import DuckDb
from svc_population.dedupe.errors import DedupeRefused
from svc_population.dedupe.model import Model
from svc_population.dedupe.models import DedupeRun
from svc_population.dedupe.working import Asked, Place
from svc_population.dedupe.workspace import Workspace
from svc_population.operators.owner import OWNER


async def train(place: Place, *, model: Model, asked: Asked, learns: bool = False) -> Model:
    """Return the model with what strangers have in common in this register.

    With `learns` also with what two records of one person have, by EM over those that share a number.

    Raises:
        DedupeRefused: a run is on or was killed and waits to go on, or the folder holds something else.
        NotErased: what is compared of everybody is still in the folder.
    """
    run_id = new_id()
    async with repository.alone(place.dsn):
        async with place.sessions() as session:
            if await repository.open_run(session) is not None:
                raise DedupeRefused("a search for duplicates has not ended: let it run or cancel it")
        workspace = Workspace(place.folder)
        workspace.begin(run_id)
        try:
            persons = await reading.stream(place.reading_from or place.dsn, workspace.take)
            engine = DuckDb(workspace, memory=asked.memory, threads=asked.threads)
            try:
                chances = engine.sampled(model, persons)
                learned = engine.learned(model, persons) if learns else None
            finally:
                engine.close()
        finally:
            workspace.erase()
        async with place.sessions() as session, session.begin():
            await record_audit(
                session,
                _caller(asked, str(run_id)),
                action="dedupe_model_trained",
                entity_type=DedupeRun.entity_type(),
                entity_id=run_id,
                details={"persons": persons, "model": model.version},
            )
    day = today().isoformat()
    kept = "m: EM over the same; zones" if learns else "m and zones"
    origin = f"u: random pairs of {persons} people on {day}; {kept} of {model.version}"
    version = _next_version(model.version, day)
    return model.with_chances(chances, version=version, origin=origin, learned=learned)


def _caller(asked: Asked, request_id: str) -> Caller:
    return Caller(
        agency=OWNER,
        system="dedupe",
        agreement="",
        purpose="",
        case_id=asked.case_id,
        officer=asked.officer,
        request_id=request_id,
        operation="population.train_duplicates",
    )


def _next_version(version: str, day: str) -> str:
    same_day, _, number = version.partition(".")
    return f"{day}.{int(number or 0) + 1}" if same_day == day else f"{day}.1"
