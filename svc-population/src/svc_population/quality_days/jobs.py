"""Clock door of quality over time: today's indicators are written down."""

from ndx_chassis.jobs import Job

from svc_population.quality_days.service import keep_today

KEEP = Job("quality_day_kept", 3600.0, keep_today)
