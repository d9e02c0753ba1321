"""Clock door of statistics: what changed is folded into the counts."""

from ndx_chassis.jobs import Job

from svc_population.statistics.service import fold

FOLD = Job("population_counts_folded", 10.0, fold)
