"""Clock door of residences: what has a last day ends after it."""

from ndx_chassis.jobs import Job

from svc_population.residences.ends import expire

EXPIRE = Job("residences_expired", 60.0, expire)
