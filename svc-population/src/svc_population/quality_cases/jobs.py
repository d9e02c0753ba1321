"""Clock door of cases from a rule's hits: the next slices of the approved run."""

from ndx_chassis.jobs import Job

from svc_population.quality_cases.service import work

WORK = Job("quality_cases_opened", 10.0, work)
