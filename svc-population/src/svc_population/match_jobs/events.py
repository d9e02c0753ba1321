"""From a job that has ended to the event that tells the agency whose it is."""

from ndx_contracts.events import MatchJobEnded

from svc_population.match_jobs.models import MatchJob


def match_job_ended(job: MatchJob) -> MatchJobEnded:
    return MatchJobEnded(
        job_id=job.id,
        agency=job.agency,
        state=job.state,
        fault=job.fault,
        lines=job.lines,
        result_parts=job.parts_to_fetch,
        cases_opened=job.cases_opened,
        cases_known=job.cases_known,
    )
