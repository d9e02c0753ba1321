"""Clock door of the citizen's view: index this service's own records by person."""

from ndx_chassis.jobs import Job

from svc_population.disclosures.service import index_own

INDEX_OWN = Job("disclosures_indexed", 1.0, index_own)
