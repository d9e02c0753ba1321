"""Clock door of quality: today's rules come into force, and what changed is folded into the counts."""

from ndx_chassis.jobs import Job

from svc_population.quality.service import bring_rules_up_to_date, fold

RULES = Job("quality_rules_brought_up_to_date", 60.0, bring_rules_up_to_date)
FOLD = Job("quality_counts_folded", 10.0, fold)
