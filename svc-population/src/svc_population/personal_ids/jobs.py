"""Clock door of numbers: watch how full the prefixes are."""

from ndx_chassis.jobs import Job

from svc_population.personal_ids.watching import announce_filling

WATCH_PREFIXES = Job("prefixes_watched", 300.0, announce_filling)
