"""Clock door of match jobs: work on them, and erase what has expired."""

from ndx_chassis.jobs import Job

from svc_population.match_jobs.erasing import erase_due
from svc_population.match_jobs.working import work

WORK = Job("match_jobs_worked", 1.0, work)
ERASE = Job("match_jobs_erased", 5.0, erase_due)
